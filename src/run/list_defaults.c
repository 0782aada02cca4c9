#include "run/list_defaults.h"

#include "base/file.h"

static enum status fill(char **value, const char *root, const char *name,
                        struct error *err)
{
    char *path;
    if ((*value)[0] || !root[0])
        return STATUS_OK;
    enum status status = path_join(root, name, &path, err);
    if (status != STATUS_OK)
        return status;
    if (file_exists(path)) {
        free(*value);
        *value = path;
    } else {
        free(path);
    }
    return STATUS_OK;
}

enum status list_defaults(struct settings *s, struct error *err)
{
    const char *root = s->dataset.root;
    enum status status = STATUS_OK;
    TRY(fill(&s->dataset.annotations, root, "annotations.csv", err));
    TRY(fill(&s->dataset.candidates, root, "candidates_V2.csv", err));
    TRY(fill(&s->dataset.candidates, root, "candidates.csv", err));
    TRY(fill(&s->dataset.excluded, root, "annotations_excluded.csv", err));
    TRY(fill(&s->dataset.seriesuids, root, "seriesuids.csv", err));
    TRY(fill(&s->dataset.patients, root, "patients.csv", err));
    TRY(fill(&s->dataset.malignancy, root, "annotations_with_malignancy.csv", err));
out:
    return status;
}
