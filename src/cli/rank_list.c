#include "cli/rank_list.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/banned.h"

/* Reads a number and moves behind it. */
static bool take_number(const char **text, int *out)
{
    char *end;
    errno = 0;
    const long value = strtol(*text, &end, 10);
    if (errno || end == *text || value < 1 || value > RANK_LIST_HIGHEST)
        return false;
    *text = end;
    *out = (int)value;
    return true;
}

static bool append(struct rank_list *l, int ranks)
{
    if (l->count == RANK_LIST_LENGTH || (l->count > 0 && ranks <= l->ranks[l->count - 1]))
        return false;
    l->ranks[l->count++] = ranks;
    return true;
}

static bool parse(const char *text, struct rank_list *l)
{
    l->count = 0;
    for (;;) {
        int from, to;
        if (!take_number(&text, &from) || !append(l, from))
            return false;
        if (text[0] == '.' && text[1] == '.') {
            text += 2;
            if (!take_number(&text, &to) || to < from)
                return false;
            for (int n = from * 2; n < to; n *= 2)
                if (!append(l, n))
                    return false;
            if (to > from && !append(l, to))
                return false;
        }
        if (text[0] == '\0')
            return true;
        if (*text++ != ',')
            return false;
    }
}

void rank_list_parse(struct argp_state *state, const char *option, const char *text,
                     struct rank_list *out)
{
    if (!parse(text, out))
        argp_error(state,
                   "--%s: '%s' is no ascending list of numbers from 1 to %d such as "
                   "1..1024 or 1,2,3",
                   option, text, RANK_LIST_HIGHEST);
}
