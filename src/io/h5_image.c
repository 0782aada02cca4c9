#include "io/h5_image.h"

#include <stdbool.h>

#include "base/memory.h"
#include "io/h5.h"

enum { INCREMENT = 1 << 20, RANK_MAX = 8 };

static enum status no_room(const char *name, struct error *err)
{
    return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory for an HDF5 file", name);
}

/* The oldest format (the default): in the newer ones the superblock has a checksum, which
 * H5Fget_file_image leaves wrong when it clears the flag of an open file. */
enum status h5_image_new(const char *name, hid_t *file, struct error *err)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fapl_core(access, INCREMENT, 0);
    *file = H5Fcreate(name, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    h5_close(access);
    return *file < 0 ? no_room(name, err) : STATUS_OK;
}

enum status h5_image_take(hid_t file, const char *name, void **out, size_t *bytes,
                          struct error *err)
{
    enum status status = STATUS_OK;
    *out = NULL;
    ssize_t size =
        H5Fflush(file, H5F_SCOPE_LOCAL) < 0 ? -1 : H5Fget_file_image(file, NULL, 0);
    if (size > 0)
        status = memory_new((size_t)size, 1, name, out, err);
    if (status == STATUS_OK &&
        (size <= 0 || H5Fget_file_image(file, *out, (size_t)size) != size))
        status = no_room(name, err);
    h5_close(file);
    if (status == STATUS_OK)
        *bytes = (size_t)size;
    return status;
}

/* A dataset with neither times nor layout that depends on anything but its shape. */
static hid_t dataset_new(hid_t file, const char *name, hid_t type, hid_t space)
{
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_obj_track_times(creation, 0);
    hid_t dataset =
        H5Dcreate2(file, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    h5_close(creation);
    return dataset;
}

enum status h5_image_dataset(hid_t file, const char *name, hid_t type, int rank,
                             const int64_t *shape, const void *values, struct error *err)
{
    hsize_t extent[RANK_MAX];
    CHECK(rank >= 0 && rank <= RANK_MAX);
    for (int i = 0; i < rank; i++)
        extent[i] = (hsize_t)shape[i];
    hid_t space = rank ? H5Screate_simple(rank, extent, NULL) : H5Screate(H5S_SCALAR);
    hid_t dataset = dataset_new(file, name, type, space);
    bool empty = H5Sget_simple_extent_npoints(space) == 0;
    bool failed = dataset < 0 || (!empty && H5Dwrite(dataset, type, H5S_ALL, H5S_ALL,
                                                     H5P_DEFAULT, values) < 0);
    h5_close(dataset);
    h5_close(space);
    return failed ? no_room(name, err) : STATUS_OK;
}

static hid_t text_type(size_t bytes)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, bytes ? bytes : 1);
    H5Tset_strpad(type, H5T_STR_NULLPAD);
    return type;
}

enum status h5_image_texts(hid_t file, const char *name, const char *const *texts,
                           size_t count, struct error *err)
{
    enum status status;
    char *joined = NULL;
    size_t width = 1;
    for (size_t i = 0; i < count; i++)
        width = strlen(texts[i]) > width ? strlen(texts[i]) : width;
    hid_t type = text_type(width);
    TRY(memory_new(count, width, name, (void **)&joined, err));
    for (size_t i = 0; i < count; i++)
        memcpy(joined + i * width, texts[i], strlen(texts[i]));
    TRY(h5_image_dataset(file, name, type, 1, (int64_t[]){(int64_t)count}, joined, err));
out:
    h5_close(type);
    free(joined);
    return status;
}

enum status h5_image_attribute(hid_t file, const char *name, const char *text,
                               struct error *err)
{
    hid_t type = text_type(strlen(text)), space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    /* an empty text has a type of one byte: the terminator is that byte */
    bool failed = attribute < 0 || H5Awrite(attribute, type, text) < 0;
    h5_close(attribute);
    h5_close(space);
    h5_close(type);
    return failed ? no_room(name, err) : STATUS_OK;
}
