/* A list of numbers of ranks as the value of an option: "1..1024", "1,2,3", "1,4..64". */
#ifndef CLI_RANK_LIST_H
#define CLI_RANK_LIST_H

#include <argp.h>
#include <stddef.h>

enum { RANK_LIST_LENGTH = 64, RANK_LIST_HIGHEST = 65536 };

struct rank_list {
    int ranks[RANK_LIST_LENGTH];
    size_t count;
};

/* A..B stands for A, its doubles up to B, and B. Numbers ascend. Ends the process as a
 * wrong usage when the text is no such list. */
void rank_list_parse(struct argp_state *state, const char *option, const char *text,
                     struct rank_list *out);

#endif
