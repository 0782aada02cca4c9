#include "export/tensorboard.h"

#include "base/file.h"
#include "base/memory.h"
#include "event.pb-c.h"
#include "io/csv.h"

enum { STAGE, EPOCH, SET, FIRST_VALUE, COLUMNS = 12 };

static const struct csv_column columns[COLUMNS] = {
    {"stage", false},
    {"epoch", false},
    {"set", false},
    {"loss", false},
    {"correct", false},
    {"correct_positive", false},
    {"correct_negative", false},
    {"precision", false},
    {"recall", false},
    {"f1", false},
    {"auc", false},
    {"learning_rate", false},
};

enum set { TRAINING, VALIDATION, SETS };
static const char *const set_names[SETS] = {"training", "validation"};

struct events {
    struct atomic_file files[SETS];
    uint32_t table[256]; /* of the checksum */
};

/* ---- records ---- */

static void checksum_init(uint32_t table[256])
{
    static const uint32_t castagnoli = 0x82f63b78; /* its bits the other way round */
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++)
            table[i] = table[i] & 1 ? table[i] >> 1 ^ castagnoli : table[i] >> 1;
    }
}

/* CRC-32C, turned and shifted as the format wants it. */
static uint32_t checksum(const uint32_t table[256], const uint8_t *data, size_t bytes)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < bytes; i++)
        crc = crc >> 8 ^ table[(crc ^ data[i]) & 0xff];
    crc = ~crc;
    return (crc >> 15 | crc << 17) + 0xa282ead8U;
}

static void put_number(FILE *out, uint64_t value, int bytes)
{
    for (int k = 0; k < bytes; k++)
        fputc((int)(value >> 8 * k & 0xff), out);
}

static enum status put_event(struct events *e, enum set set, const Pulmo__Event *event,
                             struct error *err)
{
    const size_t bytes = pulmo__event__get_packed_size(event);
    uint8_t *packed = NULL, length[8];
    FILE *out = e->files[set].stream;
    enum status status = memory_new(bytes, 1, "an event", (void **)&packed, err);
    if (status != STATUS_OK)
        return status;
    pulmo__event__pack(event, packed);
    for (int k = 0; k < 8; k++)
        length[k] = (uint8_t)(bytes >> 8 * k);
    fwrite(length, 1, sizeof length, out);
    put_number(out, checksum(e->table, length, sizeof length), 4);
    fwrite(packed, 1, bytes, out);
    put_number(out, checksum(e->table, packed, bytes), 4);
    free(packed);
    return STATUS_OK;
}

static enum status put_version(struct events *e, enum set set, struct error *err)
{
    char version[] = "brain.Event:2";
    Pulmo__Event event = PULMO__EVENT__INIT;
    event.what_case = PULMO__EVENT__WHAT_FILE_VERSION;
    event.file_version = version;
    return put_event(e, set, &event, err);
}

static enum status put_value(struct events *e, enum set set, const char *stage,
                             const char *name, double epoch, double number,
                             struct error *err)
{
    char tag[160];
    snprintf(tag, sizeof tag, "%s/%s", stage, name);
    Pulmo__Value value = PULMO__VALUE__INIT, *values[] = {&value};
    Pulmo__Summary summary = PULMO__SUMMARY__INIT;
    Pulmo__Event event = PULMO__EVENT__INIT;
    value.tag = tag;
    value.simple_value = (float)number;
    summary.n_value = 1;
    summary.value = values;
    event.wall_time = epoch;
    event.step = (int64_t)epoch;
    event.what_case = PULMO__EVENT__WHAT_SUMMARY;
    event.summary = &summary;
    return put_event(e, set, &event, err);
}

/* ---- curves ---- */

static enum status take_row(void *context, const struct csv_row *row, struct error *err)
{
    struct events *e = context;
    enum status status = STATUS_OK;
    double epoch, number;
    const enum set set =
        strcmp(row->fields[SET], set_names[VALIDATION]) ? TRAINING : VALIDATION;
    TRY(csv_number(row, EPOCH, "epoch", &epoch, err));
    for (size_t k = FIRST_VALUE; k < COLUMNS; k++) {
        if (!row->fields[k][0])
            continue;
        TRY(csv_number(row, k, columns[k].name, &number, err));
        TRY(put_value(e, set, row->fields[STAGE], columns[k].name, epoch, number, err));
    }
out:
    return status;
}

static enum status open_set(struct events *e, enum set set, const char *folder,
                            struct error *err)
{
    enum status status = STATUS_OK;
    char *inner = NULL, *path = NULL;
    TRY(path_join(folder, set_names[set], &inner, err));
    TRY(folder_make(inner, err));
    TRY(path_join(inner, "events.out.tfevents.0.pulmo", &path, err));
    TRY(atomic_file_open(path, &e->files[set], err));
    TRY(put_version(e, set, err));
out:
    free(inner);
    free(path);
    return status;
}

enum status tensorboard_write(const char *run, const char *folder, struct error *err)
{
    enum status status = STATUS_OK;
    char *path = NULL;
    struct events e = {0};
    checksum_init(e.table);
    TRY(path_join(run, "metrics.csv", &path, err));
    if (!file_exists(path))
        TRY(error_set(err, STATUS_JOB_FAILED, "%s: no metrics.csv: nothing was trained",
                      run));
    for (int set = 0; set < SETS; set++)
        TRY(open_set(&e, (enum set)set, folder, err));
    status = csv_read(path, columns, COLUMNS, take_row, &e, err);
    if (status == STATUS_JOB_CONFIG) /* no slip of the caller's: the run is damaged */
        status = err->code = STATUS_JOB_FAILED;
    for (int set = 0; status == STATUS_OK && set < SETS; set++)
        status = atomic_file_commit(&e.files[set], err);
out:
    for (int set = 0; set < SETS; set++)
        atomic_file_abandon(&e.files[set]);
    free(path);
    return status;
}
