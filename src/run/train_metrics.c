#include "run/train_metrics.h"

#include "base/memory.h"
#include "io/csv.h"

static const char *const header =
    "stage,epoch,set,samples,loss,correct,correct_positive,correct_negative,precision,"
    "recall,f1,auc,learning_rate";

enum status train_metrics_take(struct train_metrics *m, const char *name,
                               const struct trainer_epoch *epochs, size_t count,
                               struct error *err)
{
    struct trainer_epoch *copy;
    enum status status = memory_new(count, sizeof *copy, "metrics", (void **)&copy, err);
    if (status != STATUS_OK)
        return status;
    memcpy(copy, epochs, count * sizeof *copy);
    free(m->epochs);
    *m = (struct train_metrics){name, copy, count};
    return STATUS_OK;
}

static void write_row(struct csv_writer *w, const char *name,
                      const struct trainer_epoch *e, const char *set,
                      const struct metrics *m)
{
    const double shares[] = {m->correct,   m->correct_positive, m->correct_negative,
                             m->precision, m->recall,           m->f1,
                             m->auc};
    csv_write_text(w, name);
    csv_write_integer(w, (int64_t)e->epoch);
    csv_write_text(w, set);
    csv_write_integer(w, (int64_t)m->samples);
    csv_write_number(w, "%.9g", m->loss);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        csv_write_number(w, "%.6f", shares[i]);
    csv_write_number(w, "%.9g", e->learning_rate);
    csv_write_end(w);
}

enum status train_metrics_write(const char *path, const struct train_metrics *m,
                                size_t networks, struct error *err)
{
    struct csv_writer w = {0};
    enum status status = csv_writer_open(&w, path, header, err);
    if (status != STATUS_OK)
        return status;
    for (size_t n = 0; n < networks; n++)
        for (size_t i = 0; i < m[n].count; i++) {
            const struct trainer_epoch *e = &m[n].epochs[i];
            write_row(&w, m[n].name, e, "training", &e->training);
            if (e->validated)
                write_row(&w, m[n].name, e, "validation", &e->validation);
        }
    return csv_writer_commit(&w, err);
}
