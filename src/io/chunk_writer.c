/*
 * HDF5 decides where a chunk goes and says so only once the file is whole. So places are
 * asked for at the end, the table is written into the user block after HDF5 has let go of
 * the file, and the file is read back by the way it will be read: what a reader would
 * call damaged is never handed over.
 *
 * H5Dget_chunk_info_by_coord has counted from the front of the file in some releases and
 * from behind the user block in others. The first chunk read back tells which.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/memory.h"
#include "io/chunk_table.h"
#include "io/h5.h"

enum {
    /* From the range that The HDF Group leaves to private use. A reader that does not
     * know the encoding says so, instead of handing out bytes as voxels. */
    FILTER = 391,
};

struct chunk_writer {
    char *path;
    struct chunk_file_head head;
    int64_t chunks[3], count;
    struct chunk_place *places; /* checksums and bytes; offsets at the end */
    hid_t file, dataset;
};

static size_t refuse(unsigned flags, size_t parameter_count, const unsigned *parameters,
                     size_t bytes, size_t *buffer_bytes, void **buffer)
{
    (void)flags, (void)parameter_count, (void)parameters, (void)bytes, (void)buffer_bytes,
        (void)buffer;
    return 0;
}

static void register_filter(void)
{
    const H5Z_class2_t filter = {
        H5Z_CLASS_T_VERS, FILTER, 1, 1, "pulmo volume chunk", NULL, NULL, refuse,
    };
    if (H5Zfilter_avail(FILTER) <= 0)
        H5Zregister(&filter);
}

static enum status failed(const struct chunk_writer *w, const char *what,
                          struct error *err)
{
    return h5_error(err, STATUS_STAGE_IO, w->path, what);
}

/* ---- the layout ---- */

static enum status put_attribute(struct chunk_writer *w, const char *name, hid_t type,
                                 int count, const void *values, struct error *err)
{
    const hsize_t length = (hsize_t)count;
    hid_t space = count > 1 ? H5Screate_simple(1, &length, NULL) : H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(w->dataset, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    enum status status = STATUS_OK;
    if (attribute < 0 || H5Awrite(attribute, type, values) < 0)
        status = failed(w, name, err);
    h5_close(attribute);
    h5_close(space);
    return status;
}

static enum status put_attributes(struct chunk_writer *w, struct error *err)
{
    enum status status = STATUS_OK;
    const struct chunk_file_head *h = &w->head;
    char key[HASH_HEX_BYTES];
    hash_hex(h->key, key);
    hid_t text = H5Tcopy(H5T_C_S1);
    H5Tset_size(text, sizeof key);
    TRY(put_attribute(w, "key", text, 1, key, err));
    TRY(put_attribute(w, "numerics", H5T_NATIVE_UINT32, 1, &h->numerics, err));
    TRY(put_attribute(w, "spacing_xyz_mm", H5T_NATIVE_DOUBLE, 3, h->spacing, err));
    TRY(put_attribute(w, "origin_xyz_mm", H5T_NATIVE_DOUBLE, 3, h->origin, err));
    TRY(put_attribute(w, "direction", H5T_NATIVE_DOUBLE, 9, h->direction, err));
out:
    h5_close(text);
    return status;
}

static enum status create_dataset(struct chunk_writer *w, struct error *err)
{
    hsize_t size[3], chunk[3], most[3];
    for (int a = 0; a < 3; a++) {
        size[a] = (hsize_t)w->head.size[a];
        chunk[a] = (hsize_t)w->head.chunk[a];
        most[a] = (hsize_t)w->chunks[a] * chunk[a]; /* no chunk may be larger than that */
    }
    hid_t space = H5Screate_simple(3, size, most);
    hid_t create = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(create, 3, chunk);
    H5Pset_fill_time(create, H5D_FILL_TIME_NEVER);
    H5Pset_obj_track_times(create, false);
    H5Pset_filter(create, FILTER, H5Z_FLAG_MANDATORY, 0, NULL);
    w->dataset = H5Dcreate2(w->file, "voxels", H5T_STD_I16LE, space, H5P_DEFAULT, create,
                            H5P_DEFAULT);
    enum status status = w->dataset < 0 ? failed(w, "voxels", err) : STATUS_OK;
    h5_close(create);
    h5_close(space);
    return status == STATUS_OK ? put_attributes(w, err) : status;
}

static enum status create_file(struct chunk_writer *w, struct error *err)
{
    hid_t create = H5Pcreate(H5P_FILE_CREATE), access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_userblock(create, (hsize_t)chunk_table_room(w->count));
    H5Pset_obj_track_times(create, false);
    H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
    H5Pset_file_locking(access, false, true); /* Lustre may have none */
    w->file = H5Fcreate(w->path, H5F_ACC_TRUNC, create, access);
    enum status status = w->file < 0 ? failed(w, "it cannot be made", err) : STATUS_OK;
    h5_close(access);
    h5_close(create);
    return status;
}

enum status chunk_writer_open(const char *path, const struct chunk_file_head *head,
                              struct chunk_writer **out, struct error *err)
{
    enum status status = STATUS_OK;
    void *room, *places;
    struct chunk_writer *w = NULL;
    h5_quiet();
    TRY(memory_new(1, sizeof *w, path, &room, err));
    w = room;
    w->head = *head;
    w->file = w->dataset = -1;
    TRY(text_new(path, &w->path, err));
    if (!chunk_file_count(head, w->chunks, &w->count)) {
        status = error_set(err, STATUS_ITEM_LIMIT, "%s: too many chunks", path);
        goto out;
    }
    TRY(memory_new((size_t)w->count, sizeof *w->places, path, &places, err));
    w->places = places;
    register_filter();
    TRY(create_file(w, err));
    TRY(create_dataset(w, err));
    *out = w;
out:
    if (status != STATUS_OK)
        chunk_writer_abandon(w);
    return status;
}

static void coordinates(const struct chunk_writer *w, int64_t index, hsize_t first[3])
{
    for (int a = 2; a >= 0; a--) {
        first[a] = (hsize_t)(index % w->chunks[a] * w->head.chunk[a]);
        index /= w->chunks[a];
    }
}

enum status chunk_writer_put(struct chunk_writer *w, int64_t index,
                             const unsigned char *data, size_t bytes, struct error *err)
{
    hsize_t first[3];
    CHECK(index >= 0 && index < w->count && w->places[index].bytes == 0);
    coordinates(w, index, first);
    if (H5Dwrite_chunk(w->dataset, H5P_DEFAULT, 0, first, bytes, data) < 0)
        return failed(w, "a chunk could not be written", err);
    w->places[index].bytes = (int64_t)bytes;
    w->places[index].checksum = hash64(data, bytes);
    return STATUS_OK;
}

/* ---- the end ---- */

static enum status put_checksums(struct chunk_writer *w, struct error *err)
{
    hsize_t size[3];
    void *room;
    enum status status =
        memory_new((size_t)w->count, sizeof(uint64_t), w->path, &room, err);
    if (status != STATUS_OK)
        return status;
    uint64_t *checksums = room;
    for (int64_t i = 0; i < w->count; i++)
        checksums[i] = w->places[i].checksum;
    for (int a = 0; a < 3; a++)
        size[a] = (hsize_t)w->chunks[a];
    hid_t create = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_obj_track_times(create, false);
    hid_t space = H5Screate_simple(3, size, NULL);
    hid_t dataset = H5Dcreate2(w->file, "checksums", H5T_STD_U64LE, space, H5P_DEFAULT,
                               create, H5P_DEFAULT);
    if (dataset < 0 || H5Dwrite(dataset, H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                                checksums) < 0)
        status = failed(w, "checksums", err);
    h5_close(dataset);
    h5_close(space);
    h5_close(create);
    free(checksums);
    return status;
}

static enum status ask_places(struct chunk_writer *w, struct error *err)
{
    for (int64_t i = 0; i < w->count; i++) {
        hsize_t first[3], bytes;
        haddr_t offset;
        unsigned mask;
        coordinates(w, i, first);
        if (H5Dget_chunk_info_by_coord(w->dataset, first, &mask, &offset, &bytes) < 0)
            return failed(w, "where a chunk lies", err);
        CHECK(offset != HADDR_UNDEF && (int64_t)bytes == w->places[i].bytes);
        w->places[i].offset = (int64_t)offset;
    }
    return STATUS_OK;
}

static enum status close_file(struct chunk_writer *w, struct error *err)
{
    herr_t closed = H5Dclose(w->dataset);
    w->dataset = -1;
    if (H5Fclose(w->file) < 0 || closed < 0) {
        w->file = -1;
        return failed(w, "it cannot be completed", err);
    }
    w->file = -1;
    return STATUS_OK;
}

/* Whether the first chunk is found when offsets are `base` bytes further on. */
static bool offsets_hold(const struct chunk_writer *w, int fd, int64_t base,
                         unsigned char *room)
{
    const struct chunk_place *p = &w->places[0];
    return pread(fd, room, (size_t)p->bytes, (off_t)(p->offset + base)) == p->bytes &&
           hash64(room, (size_t)p->bytes) == p->checksum;
}

static enum status put_table(struct chunk_writer *w, int fd, struct error *err)
{
    enum status status = STATUS_OK;
    unsigned char *table = NULL;
    void *chunk = NULL;
    size_t bytes;
    int64_t base = 0;
    off_t length = lseek(fd, 0, SEEK_END);
    TRY(memory_new((size_t)w->places[0].bytes, 1, w->path, &chunk, err));
    if (!offsets_hold(w, fd, 0, chunk))
        base = chunk_table_room(w->count);
    for (int64_t i = 0; i < w->count; i++)
        w->places[i].offset += base;
    TRY(chunk_table_pack(&w->head, w->count, w->places, length, &table, &bytes, err));
    if (pwrite(fd, table, bytes, 0) != (ssize_t)bytes)
        status = error_set(err, STATUS_STAGE_IO, "%s: %s", w->path, strerror(errno));
out:
    free(chunk);
    free(table);
    return status;
}

static enum status read_back(const struct chunk_writer *w, struct error *err)
{
    struct chunk_file f;
    void *room = NULL;
    enum status status = chunk_file_open(w->path, &f, err);
    if (status == STATUS_OK) {
        status = memory_new((size_t)f.most_bytes, 1, w->path, &room, err);
        for (int64_t i = 0; status == STATUS_OK && i < f.count; i++)
            status = chunk_file_read(&f, i, room, err);
        free(room);
        chunk_file_close(&f);
    }
    if (!status_is_item(status))
        return status;
    /* Not a scan is bad but the disk under the cache. */
    if (err) {
        error_prefix(err, "right after it was written");
        err->code = STATUS_STAGE_IO;
    }
    return STATUS_STAGE_IO;
}

enum status chunk_writer_finish(struct chunk_writer *w, struct error *err)
{
    enum status status = STATUS_OK;
    int fd = -1;
    for (int64_t i = 0; i < w->count; i++)
        CHECK(w->places[i].bytes > 0);
    TRY(put_checksums(w, err));
    if (H5Fflush(w->file, H5F_SCOPE_LOCAL) < 0)
        TRY(failed(w, "it cannot be written", err));
    TRY(ask_places(w, err));
    TRY(close_file(w, err));
    fd = open(w->path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        TRY(error_set(err, STATUS_STAGE_IO, "%s: %s", w->path, strerror(errno)));
    TRY(put_table(w, fd, err));
    TRY(read_back(w, err));
out:
    if (fd >= 0)
        close(fd);
    chunk_writer_abandon(w);
    return status;
}

void chunk_writer_abandon(struct chunk_writer *w)
{
    if (!w)
        return;
    h5_close(w->dataset);
    h5_close(w->file);
    free(w->places);
    free(w->path);
    free(w);
}
