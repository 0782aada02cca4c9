/*
 * The layers of a configuration, merged through the table.
 *
 * Every file is parsed alone and then taken key by key, so a later layer replaces single
 * keys, a key given twice in one file is an error, and a message names the very file and
 * line. `include` is a key like any other to libconfig; it is we who read the named file
 * first.
 *
 * The site file lies below the job file, and the job file (or --set) may say which one it
 * is. So where the caller names none, all other layers are read once to learn the site
 * and, when there is one, read again on top of it.
 */
#include "config/settings.h"

#include "base/file.h"
#include "base/memory.h"
#include "config/settings_value.h"

enum { INCLUDE_DEPTH = 8, KEY_NAME_BYTES = 200 };

/* A file being read, and those that included it. */
struct reading {
    const struct reading *parent;
    const char *path;
    struct file_identity identity;
};

static enum status unknown_key(const struct document *d, const config_setting_t *setting,
                               const char *name, struct error *err)
{
    unsigned line = config_setting_source_line(setting);
    const struct key *nearest = key_nearest(name);
    if (nearest)
        return document_error(d, line, err, "unknown key '%s' (did you mean %s?)", name,
                              nearest->name);
    return document_error(d, line, err, "unknown key '%s'", name);
}

/* Takes the keys of a group, `prefix` being its name. Depth is bounded by SCRUB_DEPTH. */
static enum status merge_group(struct settings *s, const struct document *d,
                               const config_setting_t *group, const char *prefix,
                               const char *folder, struct error *err)
{
    enum status status = STATUS_OK;
    for (int i = 0; i < config_setting_length(group) && status == STATUS_OK; i++) {
        const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
        char name[KEY_NAME_BYTES];
        snprintf(name, sizeof(name), "%s%s%s", prefix, prefix[0] ? "." : "",
                 config_setting_name(setting));
        const struct key *k = key_find(name);
        if (k)
            status = value_take(k, d, setting, folder, s, err);
        else if (!prefix[0] && strcmp(name, "include") == 0)
            continue;
        else if (!key_group_exists(name))
            status = unknown_key(d, setting, name, err);
        else if (config_setting_is_group(setting))
            status = merge_group(s, d, setting, name, folder, err);
        else
            status =
                document_error(d, config_setting_source_line(setting), err,
                               "'%s' is a group of keys: write %s: { ... }", name, name);
    }
    return status;
}

/* Sets the error of a chain of includes that cannot end: "a.cfg -> b.cfg -> a.cfg". */
static enum status refuse_chain(const struct reading *last, const char *why,
                                struct error *err)
{
    char chain[ERROR_MESSAGE_BYTES / 2] = "";
    const struct reading *line[INCLUDE_DEPTH + 2];
    size_t n = 0, used = 0;
    for (const struct reading *r = last; r && n < INCLUDE_DEPTH + 2; r = r->parent)
        line[n++] = r;
    while (n-- > 0 && used < sizeof(chain))
        used += (size_t)snprintf(chain + used, sizeof(chain) - used, "%s%s",
                                 line[n]->path, n ? " -> " : "");
    return error_set(err, STATUS_JOB_CONFIG, "%s: %s", why, chain);
}

static enum status check_chain(struct reading *r, struct error *err)
{
    int depth = 0;
    if (file_identify(r->path, &r->identity, err) != STATUS_OK) {
        if (err)
            err->code = STATUS_JOB_CONFIG;
        return STATUS_JOB_CONFIG;
    }
    for (const struct reading *p = r->parent; p; p = p->parent) {
        if (memcmp(&p->identity, &r->identity, sizeof(r->identity)) == 0)
            return refuse_chain(r, "files include each other", err);
        if (++depth > INCLUDE_DEPTH)
            return refuse_chain(r, "includes are nested too deeply", err);
    }
    return STATUS_OK;
}

static enum status merge_file(struct settings *s, const char *path,
                              const struct reading *parent, struct error *err);

static enum status merge_include(struct settings *s, const struct document *d,
                                 const struct reading *self, const char *folder,
                                 struct error *err)
{
    enum status status;
    char *path;
    const config_setting_t *include =
        config_setting_get_member(config_root_setting(&d->config), "include");
    if (!include)
        return STATUS_OK;
    unsigned line = config_setting_source_line(include);
    if (config_setting_type(include) != CONFIG_TYPE_STRING)
        return document_error(d, line, err,
                              "include must be the path of a file, in quotes");
    status = path_join(folder, config_setting_get_string(include), &path, err);
    if (status != STATUS_OK)
        return status;
    status = merge_file(s, path, self, err);
    if (status != STATUS_OK)
        error_prefix(err, "%s:%u: include", d->name, line);
    free(path);
    return status;
}

static enum status merge_file(struct settings *s, const char *path,
                              const struct reading *parent, struct error *err)
{
    enum status status;
    struct reading self = {.parent = parent, .path = path};
    struct document d;
    char *folder = NULL;
    status = check_chain(&self, err);
    if (status != STATUS_OK)
        return status;
    status = document_read(path, &d, err);
    if (status != STATUS_OK)
        return status;
    TRY(path_folder(path, &folder, err));
    TRY(merge_include(s, &d, &self, folder, err));
    TRY(merge_group(s, &d, config_root_setting(&d.config), "", folder, err));
out:
    free(folder);
    document_release(&d);
    return status;
}

static enum status merge_assignment(struct settings *s, const char *assignment,
                                    struct error *err)
{
    char name[KEY_NAME_BYTES], shown[KEY_NAME_BYTES + 20];
    snprintf(shown, sizeof(shown), "--set '%.180s'", assignment);
    const char *equals = strchr(assignment, '=');
    if (!equals || equals == assignment)
        return error_set(err, STATUS_JOB_CONFIG, "%s: must be KEY=VALUE", shown);
    snprintf(name, sizeof(name), "%.*s", (int)(equals - assignment), assignment);
    const struct key *k = key_find(name);
    if (k)
        return value_assign(k, shown, equals + 1, s, err);
    const struct key *nearest = key_nearest(name);
    if (nearest)
        return error_set(err, STATUS_JOB_CONFIG,
                         "%s: unknown key '%s' (did you mean %s?)", shown, name,
                         nearest->name);
    return error_set(err, STATUS_JOB_CONFIG, "%s: unknown key '%s'", shown, name);
}

static enum status take_presets(struct settings *s, struct error *err)
{
    enum status status = STATUS_OK;
    *s = (struct settings){0};
    for (size_t i = 0; i < key_count && status == STATUS_OK; i++)
        status = value_assign(&keys[i], "built-in default", keys[i].preset, s, err);
    CHECK(status != STATUS_JOB_CONFIG);
    return status;
}

/* All layers, with this site file ("" or NULL: none). s is released by the caller in any
 * case. */
static enum status merge_all(struct settings *s, const struct settings_sources *sources,
                             const char *site, struct error *err)
{
    enum status status;
    TRY(take_presets(s, err));
    if (sources->defaults)
        TRY(merge_file(s, sources->defaults, NULL, err));
    if (site) {
        TRY(value_assign(key_find("site"), "site", "", s, err));
        TRY(merge_file(s, site, NULL, err));
        if (s->site[0]) {
            status = error_set(err, STATUS_JOB_CONFIG,
                               "%s: a site file names no other site", site);
            goto out;
        }
    }
    if (sources->job)
        TRY(merge_file(s, sources->job, NULL, err));
    for (size_t i = 0; i < sources->assignment_count; i++)
        TRY(merge_assignment(s, sources->assignments[i], err));
    if (site) {
        free(s->site);
        s->site = NULL;
        TRY(path_absolute(site, &s->site, err));
    }
out:
    return status;
}

/* *out = the file of a site: its path, or NAME.cfg in the folder "sites" beside the
 * defaults. */
static enum status site_file(const char *site, const char *defaults, char **out,
                             struct error *err)
{
    enum status status;
    char *folder = NULL;
    if (!value_is_name(site))
        return text_new(site, out, err);
    if (!defaults)
        return error_set(err, STATUS_JOB_CONFIG,
                         "site = \"%s\": there is no conf/sites to look in", site);
    TRY(path_folder(defaults, &folder, err));
    if (asprintf(out, "%s/sites/%s.cfg", folder, site) < 0)
        status = error_set(err, STATUS_STAGE_MEMORY, "no memory for a path");
out:
    free(folder);
    return status;
}

enum status settings_init(struct settings *s, const struct settings_sources *sources,
                          struct error *err)
{
    enum status status;
    char *site = NULL;
    *s = (struct settings){0};
    if (sources->site)
        TRY(site_file(sources->site, sources->defaults, &site, err));
    TRY(merge_all(s, sources, site, err));
    if (site || !s->site[0])
        goto out;
    TRY(site_file(s->site, sources->defaults, &site, err));
    settings_release(s);
    TRY(merge_all(s, sources, site, err));
out:
    free(site);
    return status;
}

void settings_release(struct settings *s)
{
    for (size_t i = 0; i < key_count; i++)
        if (key_holds_text(&keys[i]))
            free(*(char **)key_place(&keys[i], s));
    *s = (struct settings){0};
}

bool settings_cross_validates(const struct settings *s)
{
    bool any = false;
    for (int k = 0; k < SETTINGS_SUBSETS; k++)
        any |= s->crossval.folds[k];
    return any && s->train.fold < 0 &&
           (s->stages.train || s->stages.detect || s->stages.score);
}
