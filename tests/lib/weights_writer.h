/*
 * Small weights files for tests: HDF5 with a dataset a tensor at the root. A failing call
 * ends the test program.
 */
#ifndef WEIGHTS_WRITER_H
#define WEIGHTS_WRITER_H

#include <hdf5.h>
#include <stdlib.h>
#include <string.h>

static inline hid_t weights_check(hid_t id)
{
    if (id < 0)
        abort();
    return id;
}

static inline hid_t weights_create(const char *path)
{
    return weights_check(H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT));
}

/* A tensor of any number type, converted from floats in memory. */
static inline void weights_write_as(hid_t file, const char *name, hid_t type, int rank,
                                    const hsize_t *shape, const float *values)
{
    hid_t space = weights_check(rank > 0 ? H5Screate_simple(rank, shape, NULL)
                                         : H5Screate(H5S_SCALAR));
    hid_t set = weights_check(
        H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    weights_check(H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values));
    H5Dclose(set);
    H5Sclose(space);
}

static inline void weights_write(hid_t file, const char *name, int rank,
                                 const hsize_t *shape, const float *values)
{
    weights_write_as(file, name, H5T_NATIVE_FLOAT, rank, shape, values);
}

/* A text attribute of the root, of fixed length (bytes > 0) or variable. */
static inline void weights_write_attribute(hid_t file, const char *name, size_t bytes,
                                           const char *text)
{
    hid_t type = weights_check(H5Tcopy(H5T_C_S1)),
          space = weights_check(H5Screate(H5S_SCALAR));
    H5Tset_size(type, bytes > 0 ? bytes : H5T_VARIABLE);
    H5Tset_strpad(type, bytes > 0 ? H5T_STR_SPACEPAD : H5T_STR_NULLTERM);
    hid_t a =
        weights_check(H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT));
    weights_check(H5Awrite(a, type, bytes > 0 ? (const void *)text : &text));
    H5Aclose(a);
    H5Sclose(space);
    H5Tclose(type);
}

/* A list of texts, of variable length or as fixed strings of `bytes`. */
static inline void weights_write_texts(hid_t file, const char *name, size_t bytes,
                                       size_t count, const char *const *texts)
{
    hsize_t shape[1] = {count};
    char *fixed = calloc(count + 1, bytes + 1);
    hid_t type = weights_check(H5Tcopy(H5T_C_S1));
    hid_t space = weights_check(H5Screate_simple(1, shape, NULL));
    H5Tset_size(type, bytes > 0 ? bytes : H5T_VARIABLE);
    for (size_t i = 0; i < count && bytes > 0; i++)
        memcpy(fixed + i * bytes, texts[i], strnlen(texts[i], bytes));
    hid_t set = weights_check(
        H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    weights_check(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                           bytes > 0 ? (const void *)fixed : texts));
    H5Dclose(set);
    H5Sclose(space);
    H5Tclose(type);
    free(fixed);
}

#endif
