#include "ct/metaimage.h"

#include <inttypes.h>

#include "base/file.h"
#include "base/memory.h"
#include "ct/metaimage_header.h"

/* A .mha is mostly voxels: its header is looked for here first, and in the full limit
 * only when it turns out to be longer. */
enum { FIRST_LOOK_BYTES = 64 << 10 };

static enum status parse_beginning(const struct data_file *f, size_t limit,
                                   struct metaimage_header *h, bool *complete,
                                   struct error *err)
{
    void *text;
    size_t got;
    enum status status = memory_new(limit, 1, f->path, &text, err);
    if (status != STATUS_OK)
        return status;
    TRY(data_file_read(f, 0, text, limit, &got, err));
    TRY(metaimage_header_parse(text, got, (int64_t)got == f->bytes, h, complete, err));
out:
    free(text);
    return status;
}

static enum status read_header(const struct data_file *f, struct metaimage_header *h,
                               struct error *err)
{
    bool complete;
    enum status status = parse_beginning(f, FIRST_LOOK_BYTES, h, &complete, err);
    if (status == STATUS_OK && !complete)
        status = parse_beginning(f, METAIMAGE_HEADER_LIMIT, h, &complete, err);
    if (status == STATUS_OK && !complete)
        status = error_set(err, STATUS_ITEM_FORMAT, "no header ends within %d bytes",
                           METAIMAGE_HEADER_LIMIT);
    return status;
}

/* Data in the file of the header: behind it, wherever HeaderSize puts them. */
static enum status place_local(const struct data_file *f,
                               const struct metaimage_header *h, int64_t bytes,
                               struct payload *p, struct error *err)
{
    int64_t header = (int64_t)h->text_bytes;
    int64_t stored = h->compressed ? h->compressed_bytes : bytes;
    if (h->skip == 0)
        p->offset = header;
    else if (h->skip > 0 ? h->skip < header : stored > f->bytes - header)
        return error_set(err, STATUS_ITEM_FORMAT,
                         "HeaderSize = %" PRId64
                         ": the voxels would begin in the header of %" PRId64 " bytes",
                         h->skip, header);
    return file_series_add(&p->series, path_name(f->path), err);
}

/* Makes the payload of a header; takes the header's series over. */
static enum status place_data(const struct data_file *f, struct metaimage_header *h,
                              bool allow_outside, struct volume_source *v,
                              struct error *err)
{
    enum status status = STATUS_OK;
    struct payload *p = &v->payload;
    int64_t bytes;
    TRY(volume_source_voxel_bytes(v, &bytes, err));
    p->series = h->series;
    h->series = (struct file_series){0};
    p->offset = h->skip;
    p->deflated = h->compressed;
    p->stored_bytes = h->compressed ? h->compressed_bytes : -1;
    if (h->local)
        TRY(place_local(f, h, bytes, p, err));
    else if (!allow_outside)
        status = file_series_check_inside(&p->series, err);
    if (status != STATUS_OK) {
        error_prefix(err, "ElementDataFile");
        goto out;
    }
    TRY(path_folder(f->path, &p->series.folder, err));
    p->file_voxel_bytes = bytes / p->series.count;
out:
    return status;
}

static enum status check_data(struct volume_source *v, struct error *err)
{
    char wanted[160];
    const struct geometry *g = &v->geometry;
    snprintf(wanted, sizeof wanted,
             "%sDimSize = %" PRId64 " %" PRId64 " %" PRId64 ", ElementType = %s",
             v->payload.series.count > 1 ? "a slice of " : "", g->size[2], g->size[1],
             g->size[0], v->element->name);
    return payload_check(&v->payload, wanted, &v->file_bytes, err);
}

enum status metaimage_open(const char *path, bool allow_outside,
                           struct volume_source *out, struct error *err)
{
    struct metaimage_header h = {0};
    struct volume_source v = {.slope = 1};
    struct data_file f;
    struct error inner = {0};
    payload_init(&v.payload);
    enum status status = data_file_open(path, &f, err);
    if (status != STATUS_OK)
        return status;
    TRY(read_header(&f, &h, &inner));
    v.geometry = h.geometry;
    v.element = h.element;
    v.swapped = h.msb != element_machine_is_msb();
    v.header_apart = !h.local;
    TRY(place_data(&f, &h, allow_outside, &v, &inner));
    status = check_data(&v, &inner);
    if (status != STATUS_OK) {
        error_prefix(&inner, "ElementDataFile");
        goto out;
    }
    if (v.header_apart)
        v.file_bytes += f.bytes;
    *out = v;
out:
    if (status != STATUS_OK) {
        payload_release(&v.payload);
        error_set(err, status, "%s: %s", path, inner.message);
    }
    metaimage_header_release(&h);
    data_file_close(&f);
    return status;
}
