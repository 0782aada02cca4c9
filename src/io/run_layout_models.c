/*
 * The models of a cross-validation in a run's store: /results/models, a row a model, and
 * what each has to do with each scan. A reader finds in `roles` alone whether anything
 * was tested on what it was trained or selected on.
 */
#include "base/memory.h"
#include "io/h5.h"
#include "io/run_layout.h"

static const struct run_column columns[] = {
    {"/results/models/fold", RUN_INT32, 1, offsetof(struct run_store_model, fold)},
    {"/results/models/network", RUN_TEXT, 16, offsetof(struct run_store_model, network)},
    {"/results/models/initial_weights", RUN_TEXT, 33,
     offsetof(struct run_store_model, initial)},
    {"/results/models/content", RUN_TEXT, 33, offsetof(struct run_store_model, content)},
    {"/results/models/isolated", RUN_INT8, 1, offsetof(struct run_store_model, isolated)},
};

static enum status add_column(const char *path, hid_t file, const struct run_column *c,
                              const struct run_store_models *m, struct error *err)
{
    enum status status;
    void *packed = NULL;
    const hsize_t extent = (hsize_t)m->count;
    const hid_t type = run_column_type(c, 0);
    TRY(memory_new((size_t)m->count, run_column_bytes(c, 0), "models", &packed, err));
    run_column_pack(c, 0, m->rows, sizeof *m->rows, (size_t)m->count, packed);
    TRY(run_layout_dataset(path, file, c->dataset, type, 1, &extent, packed, err));
out:
    h5_close(type);
    free(packed);
    return status;
}

enum status run_layout_add_models(const char *path, int64_t scans,
                                  const struct run_store_models *m, struct error *err)
{
    enum status status;
    hid_t file = H5I_INVALID_HID;
    const hsize_t extent[2] = {(hsize_t)m->count, (hsize_t)scans};
    TRY(run_layout_visit(path, &file, err));
    TRY(run_layout_group(path, file, "/results/models", err));
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        TRY(add_column(path, file, &columns[i], m, err));
    TRY(run_layout_dataset(path, file, "/results/models/roles", H5T_NATIVE_UINT8, 2,
                           extent, m->roles, err));
out:
    return run_layout_leave(path, file, status, err);
}
