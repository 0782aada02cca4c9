#include "io/run_links.h"

#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "io/h5.h"
#include "io/run_layout.h"

static enum status write_links(hid_t file, const char *part, const char *const *names,
                               size_t count, struct error *err)
{
    enum { NIGHTS_FORMAT = 1, PATH_BYTES = 512 };
    char target[PATH_BYTES];
    const int32_t format = NIGHTS_FORMAT;
    bool failed = false;
    const hid_t space = H5Screate(H5S_SCALAR);
    const hid_t attribute =
        H5Acreate2(file, "nights", H5T_STD_I32LE, space, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t runs = H5Gcreate2(file, "runs", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    failed =
        attribute < 0 || runs < 0 || H5Awrite(attribute, H5T_NATIVE_INT32, &format) < 0;
    for (size_t i = 0; i < count && !failed; i++) {
        snprintf(target, sizeof target, "runs/%s/run.h5", names[i]);
        failed =
            H5Lcreate_external(target, "/", runs, names[i], H5P_DEFAULT, H5P_DEFAULT) < 0;
        snprintf(target, sizeof target, "/runs/%s", names[i]);
        if (i + 1 == count && !failed)
            failed = H5Lcreate_soft(target, file, "latest", H5P_DEFAULT, H5P_DEFAULT) < 0;
    }
    const enum status status =
        failed ? h5_error(err, STATUS_STAGE_IO, part, "links") : STATUS_OK;
    h5_close(runs);
    h5_close(attribute);
    h5_close(space);
    return status;
}

enum status run_links_write(const char *path, const char *const *names, size_t count,
                            struct error *err)
{
    enum status status = STATUS_OK;
    char *part = NULL;
    if (asprintf(&part, "%s.part", path) < 0)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", path);
    h5_quiet();
    const hid_t access = run_layout_access();
    const hid_t file = H5Fcreate(part, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    h5_close(access);
    if (file < 0)
        TRY(h5_error(err, STATUS_STAGE_IO, part, "create"));
    status = write_links(file, part, names, count, err);
    if (H5Fclose(file) < 0 && status == STATUS_OK)
        status = h5_error(err, STATUS_STAGE_IO, part, "close");
    if (status == STATUS_OK)
        status = file_publish(part, path, err);
out:
    if (status != STATUS_OK)
        unlink(part);
    free(part);
    return status;
}

/* ---- reading ---- */

struct listing {
    struct run_links *links;
    enum status status;
    struct error *err;
};

static herr_t take_name(hid_t group, const char *name, const H5L_info_t *info,
                        void *context)
{
    struct listing *l = context;
    struct run_links *links = l->links;
    (void)group;
    (void)info;
    l->status = memory_grow((void **)&links->names, &links->capacity, links->count + 1,
                            sizeof *links->names, "names of runs", l->err);
    if (l->status == STATUS_OK)
        l->status = text_new(name, &links->names[links->count], l->err);
    links->count += l->status == STATUS_OK;
    return l->status == STATUS_OK ? 0 : -1;
}

enum status run_links_init(struct run_links *l, const char *path, struct error *err)
{
    struct listing listing = {.links = l, .status = STATUS_OK, .err = err};
    *l = (struct run_links){0};
    h5_quiet();
    const hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (file < 0)
        return h5_error(err, STATUS_ITEM_IO, path, "open");
    const hid_t runs = H5Aexists(file, "nights") > 0 ? H5Gopen2(file, "runs", H5P_DEFAULT)
                                                     : H5I_INVALID_HID;
    if (runs < 0)
        listing.status = error_set(err, STATUS_ITEM_FORMAT,
                                   "%s: not the store of a chain of nights", path);
    else if (H5Literate(runs, H5_INDEX_NAME, H5_ITER_INC, NULL, take_name, &listing) <
                 0 &&
             listing.status == STATUS_OK)
        listing.status = h5_error(err, STATUS_ITEM_IO, path, "runs");
    h5_close(runs);
    H5Fclose(file);
    return listing.status;
}

void run_links_release(struct run_links *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->names[i]);
    free(l->names);
    *l = (struct run_links){0};
}
