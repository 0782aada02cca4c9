/*
 * A configuration file as a tree, for descriptions that are not keys and values
 * (networks). Parsed as job files are (document.h): @include and deep nesting are
 * refused, integers are 64 bits.
 *
 * Every accessor checks types and reports STATUS_JOB_CONFIG with file and line. Not
 * collective.
 */
#ifndef CONFIG_TREE_H
#define CONFIG_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct tree;                   /* a parsed file */
typedef const void *tree_node; /* a group, list or array in it; borrowed from the tree */

enum status tree_open(const char *path, struct tree **out, struct error *err);
void tree_close(struct tree *t);
tree_node tree_root(const struct tree *t);

/* Number of children of a list, array or group. */
size_t tree_length(tree_node n);

/* *out = the list or array `name` of a group. */
enum status tree_list(const struct tree *t, tree_node group, const char *name,
                      tree_node *out, struct error *err);
/* *out = element i of a list, which must be a group. */
enum status tree_group_at(const struct tree *t, tree_node list, size_t i, tree_node *out,
                          struct error *err);

bool tree_has(tree_node group, const char *name);

/* A value of a group. *out of tree_text is borrowed from the tree. */
enum status tree_text(const struct tree *t, tree_node group, const char *name,
                      const char **out, struct error *err);
enum status tree_integer(const struct tree *t, tree_node group, const char *name,
                         int64_t low, int64_t high, int64_t *out, struct error *err);
enum status tree_number(const struct tree *t, tree_node group, const char *name,
                        double *out, struct error *err);
/* Exactly `count` integers: an array, or one number that stands for all. */
enum status tree_integers(const struct tree *t, tree_node group, const char *name,
                          int64_t low, int64_t high, size_t count, int64_t *out,
                          struct error *err);
/* *count texts of an array (borrowed), at most `most`. */
enum status tree_texts(const struct tree *t, tree_node group, const char *name,
                       size_t most, const char **out, size_t *count, struct error *err);

/* An error when a group holds a name that is not among `known` (NULL-terminated). */
enum status tree_only(const struct tree *t, tree_node group, const char *const *known,
                      struct error *err);

/* Line of a node, for messages of the caller's own. */
int tree_line(tree_node n);
const char *tree_path(const struct tree *t);

#endif
