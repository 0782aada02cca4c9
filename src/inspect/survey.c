#include "inspect/survey.h"

#include "base/hash.h"

/* Every rank lists the scans: what file names are there is cheap to ask, and the same for
 * all. */
static enum status list_scans(struct survey *v, const struct settings *s,
                              struct error *err)
{
    if (!s->dataset.root[0] == !s->dataset.scan[0])
        return error_set(err, STATUS_JOB_CONFIG,
                         "give either dataset.root=TREE or dataset.scan=FILE%s",
                         s->dataset.root[0] ? ", not both" : "");
    if (s->dataset.scan[0])
        return dataset_init_scan(&v->dataset, s->dataset.scan, err);
    return dataset_init(&v->dataset, s->dataset.root, s->dataset.subsets, err);
}

static enum status hold_together(const struct survey *v, const struct comm *c,
                                 struct error *err)
{
    struct hash *h;
    enum status status = hash_new(&h, err);
    status = comm_agree(c, status, err);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < v->dataset.count; i++)
        hash_update(h, v->dataset.scans[i].path, strlen(v->dataset.scans[i].path) + 1);
    bool same = comm_same(c, hash_digest(h).low);
    hash_free(h);
    if (!same)
        return error_set(
            err, STATUS_JOB_CONFIG,
            "%s: the hosts see different scans: it has to be on a file system that "
            "all hosts share",
            v->root);
    return STATUS_OK;
}

static enum status count_all(struct survey *v, const struct settings *s,
                             struct error *err)
{
    enum status status = STATUS_OK;
    TRY(survey_count_scans(v, s, err));
    TRY(survey_read_lists(v, s, err));
    TRY(survey_measure_room(v, s, err));
out:
    return status;
}

enum status survey_init(struct survey *v, const struct comm *c, const struct settings *s,
                        bool deep, struct error *err)
{
    enum status status = STATUS_OK;
    *v = (struct survey){.root = s->dataset.scan[0] ? s->dataset.scan : s->dataset.root,
                         .deep = deep};
    status = list_scans(v, s, err);
    TRY(comm_agree(c, status, err));
    TRY(hold_together(v, c, err));
    TRY(survey_read_scans(v, c, s, err));
    if (c->rank == 0)
        status = count_all(v, s, err);
    TRY(comm_agree(c, status, err));
out:
    return status;
}

void survey_release(struct survey *v)
{
    for (size_t i = 0; v->reasons && i < v->dataset.count; i++)
        free(v->reasons[i]);
    for (int i = 0; i < LIST_KINDS; i++)
        free(v->lists[i].error);
    for (int i = 0; i < 3; i++)
        free(v->weights[i].error);
    for (int i = 0; i < TRAIN_STAGES; i++)
        free(v->room.training[i].error);
    free(v->room.refusal);
    free(v->reasons);
    free(v->facts);
    free(v->missing);
    free(v->listed);
    free(v->room.folder);
    series_list_release(&v->series);
    dataset_release(&v->dataset);
    *v = (struct survey){0};
}

int survey_exit_code(const struct survey *v)
{
    enum { EXIT_CONFIGURATION = 2, EXIT_SCANS = 3 };
    for (int i = 0; i < LIST_KINDS; i++)
        if (v->lists[i].error)
            return EXIT_CONFIGURATION;
    for (int i = 0; i < 3; i++)
        if (v->weights[i].error)
            return EXIT_CONFIGURATION;
    if (v->room.refusal)
        return EXIT_CONFIGURATION;
    for (int i = 0; i < TRAIN_STAGES; i++)
        if (v->room.training[i].error ||
            (v->room.training[i].stage && v->room.training[i].workers == 0))
            return EXIT_CONFIGURATION;
    return v->broken || v->room.too_large || v->missing_count || v->dataset.problem_count
               ? EXIT_SCANS
               : 0;
}
