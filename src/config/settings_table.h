/*
 * The table of keys: what a job may say, of which type, within which range, and where in
 * struct settings it stands. Everything that treats keys alike iterates over it. Private
 * to this folder.
 */
#ifndef CONFIG_SETTINGS_TABLE_H
#define CONFIG_SETTINGS_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "config/settings.h"

enum key_type {
    KEY_PATH,    /* char *, absolute or "" */
    KEY_PATHS,   /* the same, or several of them: config/path_list.h */
    KEY_NAME,    /* char *, a path or a name of a file of conf/ */
    KEY_CHOICE,  /* char *, one of `choices` */
    KEY_BOOLEAN, /* bool */
    KEY_INTEGER, /* int64_t */
    KEY_NUMBER,  /* double */
    KEY_SUBSETS, /* bool[SETTINGS_SUBSETS] */
    KEY_SET,     /* bool of each of `choices`, a list of them */
    KEY_STAGES,  /* the structure of stages */
};

enum key_flag {
    KEY_BINDS = 1,  /* changes results: a run is not continued with another value */
    KEY_MERGED = 2, /* only steers the merge: neither printed nor compared */
    KEY_EMPTY = 4,  /* a list that may be empty */
};

enum { KEY_CHOICES = 9 };

struct key {
    const char *name; /* as after --set: "dataset.root"; keys of a group stand together */
    enum key_type type;
    int flags;
    size_t offset;      /* in struct settings */
    const char *preset; /* the default, as written after --set */
    double low, high;   /* of an integer or number, inclusive; INFINITY: no bound */
    const char *choices[KEY_CHOICES]; /* of a choice, NULL-terminated */
    const char *help;
};

extern const struct key keys[];
extern const size_t key_count;

/* A stage that `stages` may name. */
struct stage_name {
    const char *name;
    size_t offset; /* of its bool in struct settings */
};

extern const struct stage_name stage_names[];
extern const size_t stage_count;

/* NULL when there is none. */
const struct key *key_find(const char *name);

/* Whether a key stands in this group: "dataset". */
bool key_group_exists(const char *group);

/* The key that an unknown name was probably meant to be, or NULL. */
const struct key *key_nearest(const char *name);

/* What a key may be, in words: "a number from 0 to 1". */
void key_describe(const struct key *k, char *out, size_t bytes);

/* Where the value of a key stands. */
static inline void *key_place(const struct key *k, struct settings *s)
{
    return (char *)s + k->offset;
}

static inline const void *key_value(const struct key *k, const struct settings *s)
{
    return (const char *)s + k->offset;
}

/* Whether the value says where something lies, and not what it is. */
static inline bool key_holds_path(const struct key *k)
{
    return k->type == KEY_PATH || k->type == KEY_PATHS;
}

/* Whether the value is a char * of its own. */
static inline bool key_holds_text(const struct key *k)
{
    return key_holds_path(k) || k->type == KEY_NAME || k->type == KEY_CHOICE;
}

#endif
