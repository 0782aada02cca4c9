#include "cli/count_argument.h"

#include <errno.h>

#include "base/banned.h"

uint64_t count_argument(struct argp_state *state, const char *option, const char *text,
                        uint64_t limit)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end || strchr(text, '-') || value > limit)
        argp_error(state, "--%s: '%s' is not a number from 0 to %llu", option, text,
                   (unsigned long long)limit);
    return value;
}
