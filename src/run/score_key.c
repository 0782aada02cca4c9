/* What a score depends on, as one hash: a score with the same key is the same. */
#include <errno.h>
#include <jansson.h>

#include "base/file.h"
#include "run/score_internal.h"

enum { BLOCK = 1 << 16 };

struct score_lists score_lists_of(const struct settings *asked,
                                  const struct settings *stored)
{
    const char *const a = asked->dataset.annotations, *const e = asked->dataset.excluded,
                      *const s = asked->dataset.seriesuids,
                      *const m = asked->dataset.malignancy;
    return (struct score_lists){.annotations = a[0] ? a : stored->dataset.annotations,
                                .excluded = e[0] ? e : stored->dataset.excluded,
                                .seriesuids = s[0] ? s : stored->dataset.seriesuids,
                                .malignancy = m[0] ? m : stored->dataset.malignancy};
}

/* A file's name within the key, its length and bytes; "": that there is none. */
static enum status add_file(struct hash *h, const char *name, const char *path,
                            struct error *err)
{
    char block[BLOCK];
    uint64_t total = 0;
    size_t got;
    hash_update(h, name, strlen(name) + 1);
    if (!path[0])
        return STATUS_OK;
    FILE *f = fopen(path, "rb");
    if (!f)
        return error_set(err, STATUS_ITEM_IO, "%s: %s", path, strerror(errno));
    while ((got = fread(block, 1, sizeof block, f)) > 0) {
        hash_update(h, block, got);
        total += got;
    }
    bool failed = ferror(f);
    fclose(f);
    hash_update(h, &total, sizeof total);
    return failed ? error_set(err, STATUS_ITEM_IO, "%s: cannot be read", path)
                  : STATUS_OK;
}

static enum status add_results(struct hash *h, const struct stored_run *r,
                               struct error *err)
{
    static const char *const names[] = {"submission.csv", "candidates.csv",
                                        "diagnosis.csv"};
    enum status status = STATUS_OK;
    char *path = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        TRY(path_join(r->folder, names[i], &path, err));
        TRY(add_file(h, names[i], path, err));
        free(path);
        path = NULL;
    }
out:
    free(path);
    return status;
}

static void add_number(struct hash *h, double value)
{
    hash_update(h, &value, sizeof value);
}

enum status score_key(const struct stored_run *r, const struct score_lists *l,
                      char text[HASH_HEX_BYTES], struct error *err)
{
    enum status status = STATUS_OK;
    const struct settings *s = &r->settings;
    struct hash *h = NULL;
    TRY(hash_new(&h, err));
    add_number(h, SCORE_NUMERICS);
    add_number(h, SCORE_RESAMPLES);
    add_number(h, (double)s->seed);
    add_number(h, s->classify.threshold);
    add_number(h, s->malignancy.threshold);
    TRY(add_results(h, r, err));
    TRY(add_file(h, "annotations", l->annotations, err));
    TRY(add_file(h, "excluded", l->excluded, err));
    TRY(add_file(h, "seriesuids", l->seriesuids, err));
    TRY(add_file(h, "malignancy", l->malignancy, err));
    hash_hex(hash_digest(h), text);
out:
    hash_free(h);
    return status;
}

bool score_is_made(const char *folder, const char *key)
{
    char *path;
    struct error ignored;
    if (path_join(folder, "score.json", &path, &ignored) != STATUS_OK)
        return false;
    json_t *root = json_load_file(path, 0, NULL);
    const char *made = json_string_value(json_object_get(root, "key"));
    bool same = made && !strcmp(made, key);
    json_decref(root);
    free(path);
    return same;
}
