/*
 * Numbers are formatted once, when a truth is written; lists copy fields as text, so that
 * a coordinate reads the same wherever it stands.
 */
#include "phantom/truth.h"

#include <errno.h>
#include <math.h>

#include "base/file.h"
#include "base/random.h"
#include "io/csv.h"

enum {
    READERS = 4,
    STREAM_OF_READERS = 2, /* of RANDOM_SCANNER */
    STREAM_OF_LISTS = 3,
    SUSPICIOUS = 4, /* ratings from 1 to 5; from here on malignant */
    VERDICT = 2     /* that many suspicious readers make a nodule malignant */
};
/* Of the candidates of the second list, the first one lacks these shares. */
static const double FIRST_LACKS_NODULE = 0.05, FIRST_LACKS_OTHER = 0.25;

#define COORDINATES "coordX,coordY,coordZ"
#define FINDING_COLUMNS                                                                  \
    "kind,texture,margin,place," COORDINATES ",diameter_mm,hu,mean_hu,excluded,"         \
    "malignant"

/* Of a truth: a row is the scan itself, a finding or a candidate; fields that are not of
 * its sort are empty. */
static const char HEADER[] =
    "row,seriesuid,patient," FINDING_COLUMNS ",ratings,marked_mm,class,finding,first";

enum column {
    ROW,
    SERIESUID,
    PATIENT,
    KIND,
    TEXTURE,
    MARGIN,
    PLACE,
    X,
    Y,
    Z,
    DIAMETER,
    HU,
    MEAN_HU,
    EXCLUDED,
    MALIGNANT,
    RATINGS, /* of nodules, as LUNA16's list has them: "[4, 2, 4, 2]" */
    MARKED,  /* diameter in the list of excluded findings: -1 not measured */
    CLASS,
    FINDING,
    FIRST, /* candidates: stands in the first list too */
    COLUMNS
};

/* ---- one scan ---- */

static void write_blank(struct csv_writer *w, int fields)
{
    for (int i = 0; i < fields; i++)
        csv_write_text(w, "");
}

static void write_start(struct csv_writer *w, const struct truth *t, const char *row)
{
    csv_write_text(w, row);
    csv_write_text(w, t->seriesuid);
    csv_write_text(w, t->patient);
}

/* Four readers who agree with the truth as a group: as LUNA16's malignancy is made of
 * LIDC's ratings. */
static void write_ratings(struct csv_writer *w, struct random *r, bool malignant)
{
    int ratings[READERS], suspicious;
    do {
        suspicious = 0;
        for (int i = 0; i < READERS; i++) {
            double rating = (malignant ? 3.9 : 2.4) + 0.9 * random_normal(r);
            ratings[i] = (int)fmin(fmax(round(rating), 1), 5);
            suspicious += ratings[i] >= SUSPICIOUS;
        }
    } while ((suspicious >= VERDICT) != malignant);
    char text[32];
    snprintf(text, sizeof text, "[%d, %d, %d, %d]", ratings[0], ratings[1], ratings[2],
             ratings[3]);
    csv_write_text(w, text);
}

static void write_finding(struct csv_writer *w, const struct truth *t, size_t i)
{
    const struct finding *f = &t->findings->items[i];
    bool nodule = f->kind == FINDING_NODULE;
    struct random r = random_stream(t->seed, RANDOM_SCANNER, t->index,
                                    STREAM_OF_READERS + ((uint64_t)i << 8));
    write_start(w, t, "finding");
    csv_write_text(w, finding_kind_name(f->kind));
    csv_write_text(w, finding_texture_name(f->texture));
    csv_write_text(w, finding_margin_name(f->margin));
    csv_write_text(w, finding_place_name(f->place));
    for (int a = 0; a < 3; a++)
        csv_write_number(w, "%.10g", f->xyz[a] + t->offset[a]);
    csv_write_number(w, "%.10g", f->diameter_mm);
    csv_write_number(w, "%.1f", f->hu);
    csv_write_number(w, "%.1f", f->mean_hu);
    csv_write_text(w, f->excluded ? "True" : "False");
    csv_write_text(w, !nodule ? "" : f->malignant ? "True" : "False");
    if (nodule)
        write_ratings(w, &r, f->malignant);
    else
        csv_write_text(w, "");
    /* Readers measure what is round. */
    bool round = f->kind == FINDING_GRANULOMA || f->kind == FINDING_LYMPH_NODE;
    csv_write_number(w, "%.10g", round ? f->diameter_mm : -1.0);
    write_blank(w, COLUMNS - CLASS);
    csv_write_end(w);
}

static void write_candidate(struct csv_writer *w, const struct truth *t, size_t i,
                            struct random *r)
{
    const struct phantom_candidate *c = &t->candidates[i];
    bool first = !random_chance(r, c->nodule ? FIRST_LACKS_NODULE : FIRST_LACKS_OTHER);
    write_start(w, t, "candidate");
    write_blank(w, X - KIND);
    for (int a = 0; a < 3; a++)
        csv_write_number(w, "%.2f", c->xyz[a] + t->offset[a]);
    write_blank(w, CLASS - DIAMETER);
    csv_write_integer(w, c->nodule);
    csv_write_integer(w, c->finding);
    csv_write_integer(w, first);
    csv_write_end(w);
}

enum status truth_write(const char *path, const struct truth *t, struct error *err)
{
    struct csv_writer w;
    struct random r = random_stream(t->seed, RANDOM_SCANNER, t->index, STREAM_OF_LISTS);
    enum status status = csv_writer_open(&w, path, HEADER, err);
    if (status != STATUS_OK)
        return status;
    write_start(&w, t, "scan");
    write_blank(&w, COLUMNS - KIND);
    csv_write_end(&w);
    for (size_t i = 0; i < t->findings->count; i++)
        write_finding(&w, t, i);
    for (size_t i = 0; i < t->candidate_count; i++)
        write_candidate(&w, t, i, &r);
    return csv_writer_commit(&w, err);
}

/* ---- the lists ---- */

enum list {
    ANNOTATIONS,
    EXCLUDED_LIST,
    MALIGNANCY,
    CANDIDATES,
    CANDIDATES_V2,
    PATIENTS,
    FINDINGS,
    LISTS
};

const char *const TRUTH_LISTS[] = {
    "annotations.csv", "annotations_excluded.csv", "annotations_with_malignancy.csv",
    "candidates.csv",  "candidates_V2.csv",        "patients.csv",
    "findings.csv",    "seriesuids.csv",           NULL};

static const char *const HEADERS[LISTS] = {
    "seriesuid," COORDINATES ",diameter_mm",
    "seriesuid," COORDINATES ",diameter_mm",
    "seriesuid," COORDINATES ",diameter_mm,mal_bool,mal_details,bboxLowX,bboxLowY,"
    "bboxLowZ,bboxHighX,bboxHighY,bboxHighZ,len_mal_details",
    "seriesuid," COORDINATES ",class",
    "seriesuid," COORDINATES ",class",
    "seriesuid,patient",
    "seriesuid," FINDING_COLUMNS};

struct lists {
    struct csv_writer writers[LISTS];
    bool open[LISTS];
};

static void copy(struct csv_writer *w, const struct csv_row *row, enum column first,
                 enum column last)
{
    for (int c = (int)first; c <= (int)last; c++)
        csv_write_text(w, row->fields[c]);
}

/* seriesuid, coordinates and one more field. */
static void copy_place(struct csv_writer *w, const struct csv_row *row, enum column last)
{
    copy(w, row, SERIESUID, SERIESUID);
    copy(w, row, X, Z);
    copy(w, row, last, last);
}

static enum status list_nodule(struct lists *l, const struct csv_row *row,
                               struct error *err)
{
    enum status status = STATUS_OK;
    struct csv_writer *w = &l->writers[MALIGNANCY];
    double xyz[3], diameter;
    TRY(csv_number(row, DIAMETER, "diameter_mm", &diameter, err));
    for (int a = 0; a < 3; a++)
        TRY(csv_number(row, X + (size_t)a, "coordinate", &xyz[a], err));
    copy_place(&l->writers[ANNOTATIONS], row, DIAMETER);
    csv_write_end(&l->writers[ANNOTATIONS]);
    copy_place(w, row, DIAMETER);
    copy(w, row, MALIGNANT, RATINGS);
    for (int side = -1; side <= 1; side += 2)
        for (int a = 0; a < 3; a++)
            csv_write_number(w, "%.10g", xyz[a] + 0.5 * side * diameter);
    csv_write_integer(w, READERS);
    csv_write_end(w);
out:
    return status;
}

static enum status list_finding(struct lists *l, const struct csv_row *row,
                                struct error *err)
{
    struct csv_writer *w = &l->writers[FINDINGS];
    copy(w, row, SERIESUID, SERIESUID);
    copy(w, row, KIND, MALIGNANT);
    csv_write_end(w);
    if (strcmp(row->fields[EXCLUDED], "True") == 0) {
        copy_place(&l->writers[EXCLUDED_LIST], row, MARKED);
        csv_write_end(&l->writers[EXCLUDED_LIST]);
    }
    if (strcmp(row->fields[KIND], finding_kind_name(FINDING_NODULE)) == 0)
        return list_nodule(l, row, err);
    return STATUS_OK;
}

static enum status list_row(void *context, const struct csv_row *row, struct error *err)
{
    struct lists *l = context;
    const char *sort = row->fields[ROW];
    if (strcmp(sort, "finding") == 0)
        return list_finding(l, row, err);
    if (strcmp(sort, "candidate") == 0) {
        copy_place(&l->writers[CANDIDATES_V2], row, CLASS);
        csv_write_end(&l->writers[CANDIDATES_V2]);
        if (strcmp(row->fields[FIRST], "1") != 0)
            return STATUS_OK;
        copy_place(&l->writers[CANDIDATES], row, CLASS);
        csv_write_end(&l->writers[CANDIDATES]);
        return STATUS_OK;
    }
    if (strcmp(sort, "scan") != 0)
        return csv_refuse(row, ROW, "row", "scan, finding or candidate", err);
    copy(&l->writers[PATIENTS], row, SERIESUID, PATIENT);
    csv_write_end(&l->writers[PATIENTS]);
    return STATUS_OK;
}

/* LUNA16's list of scans has no header. */
static enum status write_seriesuids(const char *folder, const char *const *seriesuids,
                                    size_t count, struct error *err)
{
    struct atomic_file f;
    char *path;
    enum status status = path_join(folder, "seriesuids.csv", &path, err);
    if (status != STATUS_OK)
        return status;
    status = atomic_file_open(path, &f, err);
    free(path);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < count; i++)
        fprintf(f.stream, "%s\n", seriesuids[i]);
    return atomic_file_commit(&f, err);
}

static enum status read_truth(const char *folder, const char *seriesuid, struct lists *l,
                              struct error *err)
{
    static const struct csv_column columns[COLUMNS] = {
        {"row", false},     {"seriesuid", false},   {"patient", false},
        {"kind", false},    {"texture", false},     {"margin", false},
        {"place", false},   {"coordX", false},      {"coordY", false},
        {"coordZ", false},  {"diameter_mm", false}, {"hu", false},
        {"mean_hu", false}, {"excluded", false},    {"malignant", false},
        {"ratings", false}, {"marked_mm", false},   {"class", false},
        {"finding", false}, {"first", false}};
    char *path;
    if (asprintf(&path, "%s/" TRUTH_FOLDER "/%s.csv", folder, seriesuid) < 0)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", seriesuid);
    enum status status = csv_read(path, columns, COLUMNS, list_row, l, err);
    free(path);
    return status;
}

enum status truth_lists(const char *folder, const char *const *seriesuids, size_t count,
                        struct error *err)
{
    enum status status = STATUS_OK;
    struct lists l = {0};
    for (int i = 0; i < LISTS; i++) {
        char *path;
        TRY(path_join(folder, TRUTH_LISTS[i], &path, err));
        status = csv_writer_open(&l.writers[i], path, HEADERS[i], err);
        free(path);
        if (status != STATUS_OK)
            goto out;
        l.open[i] = true;
    }
    for (size_t i = 0; i < count; i++)
        TRY(read_truth(folder, seriesuids[i], &l, err));
    for (int i = 0; i < LISTS; i++) {
        l.open[i] = false;
        TRY(csv_writer_commit(&l.writers[i], err));
    }
    TRY(write_seriesuids(folder, seriesuids, count, err));
out:
    for (int i = 0; i < LISTS; i++)
        if (l.open[i])
            csv_writer_abandon(&l.writers[i]);
    return status;
}
