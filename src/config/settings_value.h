/*
 * One value of the table: from a text or a parsed setting into struct settings, and back
 * into text. Private to this folder.
 */
#ifndef CONFIG_SETTINGS_VALUE_H
#define CONFIG_SETTINGS_VALUE_H

#include "config/document.h"
#include "config/settings_table.h"

/* Sets a key from a setting of a document. A relative path is seen from `folder`. */
enum status value_take(const struct key *k, const struct document *d,
                       const config_setting_t *setting, const char *folder,
                       struct settings *s, struct error *err);

/* Whether a value of type KEY_NAME is a name: it has no slash and does not end in ".cfg".
 */
bool value_is_name(const char *text);

/* Sets a key from what stands after --set KEY=; `name` is what messages call it. */
enum status value_assign(const struct key *k, const char *name, const char *text,
                         struct settings *s, struct error *err);

/* Writes a value as a job file has it, the same in every locale. */
void value_print(const struct key *k, const struct settings *s, FILE *out);

#endif
