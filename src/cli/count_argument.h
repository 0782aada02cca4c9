/* A whole number as the value of an option. */
#ifndef CLI_COUNT_ARGUMENT_H
#define CLI_COUNT_ARGUMENT_H

#include <argp.h>
#include <stdint.h>

/* Ends the process as a wrong usage when `text` is not a number from 0 to limit. */
uint64_t count_argument(struct argp_state *state, const char *option, const char *text,
                        uint64_t limit);

#endif
