/* Promise: a training gives the same bits whatever the number of its ranks and threads,
 * and wherever it was stopped; what it cannot go on from is named. */
#include "../cache/made_scan.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "nn/initialise.h"
#include "nn/training_file.h"
#include "train/trainer.h"

enum { SCANS = 4, RANKS_MAX = 4, PLACES = 24, EPOCHS = 3 };

static struct error err;

static void ok(enum status s)
{
    if (s != STATUS_OK)
        fail_msg("%s", err.message);
}

static const char class_network[] =
    "name = \"tiny\"; dimensions = 3; input_channels = 1; crop = [4, 8, 8]; divisor = "
    "2;\n"
    "layers = ({ type = \"batch_norm\"; name = \"norm\"; },\n"
    "{ type = \"conv\"; name = \"a.conv\"; channels = 4; kernel = 3; pad = 1; },\n"
    "{ type = \"relu\"; }, { type = \"max_pool\"; kernel = 2; }, { type = \"flatten\"; "
    "},\n"
    "{ type = \"linear\"; name = \"head\"; channels = 2; }, { type = \"softmax\"; });\n";

static const char map_network[] =
    "name = \"flat\"; dimensions = 2; input_channels = 3; divisor = 1;\n"
    "layers = ({ type = \"batch_norm\"; name = \"norm\"; },\n"
    "{ type = \"conv\"; name = \"a.conv\"; channels = 4; kernel = 3; pad = 1; },\n"
    "{ type = \"relu\"; }, { type = \"batch_norm\"; name = \"a.norm\"; },\n"
    "{ type = \"conv\"; name = \"b.conv\"; channels = 1; kernel = 1; },\n"
    "{ type = \"sigmoid\"; });\n";

/* ---- ranks that are threads ---- */

struct meeting {
    pthread_barrier_t barrier;
    int ranks;
    void *offers[RANKS_MAX];
    enum status statuses[RANKS_MAX];
    struct error errors[RANKS_MAX];
};

struct seat {
    struct meeting *meeting;
    int rank;
};

static void meet(struct seat *s)
{
    pthread_barrier_wait(&s->meeting->barrier);
}

static enum status reduce(struct seat *s, int64_t *values, size_t count, bool add)
{
    int64_t *mine = calloc(count + 1, sizeof *mine);
    memcpy(mine, values, count * sizeof *mine);
    s->meeting->offers[s->rank] = mine;
    meet(s);
    for (int r = 0; r < s->meeting->ranks; r++) {
        const int64_t *other = s->meeting->offers[r];
        for (size_t i = 0; i < count && r != s->rank; i++)
            values[i] = add                    ? values[i] + other[i]
                        : other[i] > values[i] ? other[i]
                                               : values[i];
    }
    meet(s);
    free(mine);
    return STATUS_OK;
}

static enum status sum(int64_t *values, size_t count, void *context, struct error *e)
{
    (void)e;
    return reduce(context, values, count, true);
}

static enum status most(int64_t *values, size_t count, void *context, struct error *e)
{
    (void)e;
    return reduce(context, values, count, false);
}

static void share(void *data, size_t bytes, void *context)
{
    struct seat *s = context;
    s->meeting->offers[s->rank] = data;
    meet(s);
    if (s->rank > 0)
        memcpy(data, s->meeting->offers[0], bytes);
    meet(s);
}

static enum status agree(enum status status, void *context, struct error *e)
{
    struct seat *s = context;
    int worst = 0;
    s->meeting->statuses[s->rank] = status;
    if (status != STATUS_OK)
        s->meeting->errors[s->rank] = *e;
    meet(s);
    for (int r = 1; r < s->meeting->ranks; r++)
        if (s->meeting->statuses[r] > s->meeting->statuses[worst])
            worst = r;
    const enum status all = s->meeting->statuses[worst];
    if (all != STATUS_OK)
        *e = s->meeting->errors[worst];
    meet(s);
    return all;
}

/* ---- a training ---- */

struct set {
    struct cache *cache;
    struct made_scan made[SCANS];
    struct loader_scan scans[SCANS];
    struct pool pool;
    bool map;
    char cache_folder[512], network[512], checkpoints[512];
};

static const char *const names[SCANS] = {"1.2.a", "1.2.b", "1.2.c", "1.2.d"};

static void set_make(struct set *s, bool map)
{
    struct random r = random_stream(5, RANDOM_SAMPLE, 0, 0);
    *s = (struct set){.cache = made_cache(0, false), .map = map};
    snprintf(s->cache_folder, sizeof s->cache_folder, "%s", temporary_path("cache"));
    snprintf(s->network, sizeof s->network, "%s", temporary_path("network.cfg"));
    snprintf(s->checkpoints, sizeof s->checkpoints, "%s", temporary_path("checkpoints"));
    temporary_text("network.cfg", map ? map_network : class_network);
    for (int list = LIST_NODULE; list <= LIST_NON_NODULE; list++) {
        s->pool.counts[list] = PLACES;
        s->pool.places[list] = calloc(PLACES, sizeof(struct pool_place));
    }
    for (int i = 0; i < SCANS; i++) {
        s->made[i] = made_scan((unsigned)i + 1, 16, 30 + i, 40);
        struct cache_prepared p =
            made_prepare(s->cache, &s->made[i], names[i], CACHE_TRUST);
        s->scans[i] =
            (struct loader_scan){.seriesuid = names[i], .voxels = p.key, .cached = true};
    }
    for (int i = 0; i < 2 * PLACES; i++)
        s->pool.places[i / PLACES][i % PLACES] = (struct pool_place){
            i % PLACES * SCANS / PLACES,
            {(int32_t)random_below(&r, 16), (int32_t)random_below(&r, 30),
             (int32_t)random_below(&r, 40)}};
}

static void set_release(struct set *s)
{
    pool_release(&s->pool);
    cache_close(s->cache);
}

struct plan {
    const struct set *set;
    int ranks, threads;
    double rate;
    const char *folder, *binding;
    int64_t stop_at; /* steps of this start; -1: never */
    double checkpoint_seconds;
    void (*before_step)(int64_t step);
};

struct outcome {
    enum status status;
    struct error err;
    float *values;
    size_t value_count;
    int64_t best;
    struct trainer_epoch epochs[EPOCHS];
    size_t epoch_count;
};

struct member {
    const struct plan *plan;
    struct seat seat;
    struct outcome outcome;
    int64_t asked;
};

static int wants(void *context)
{
    struct member *m = context;
    const int64_t step = m->asked++;
    if (m->plan->before_step && m->seat.rank == 0)
        m->plan->before_step(step);
    return m->plan->stop_at >= 0 && m->seat.rank == m->plan->ranks - 1 &&
                   step >= m->plan->stop_at
               ? TRAINER_STOP
               : 0;
}

static enum status repair(void *context, int32_t scan, struct error *e)
{
    const struct set *s = context;
    struct made_scan made = s->made[scan];
    struct cache_source source = made_source(&made, names[scan]);
    struct cache_prepared p;
    struct cache_options o = {.folder = s->cache_folder};
    struct cache *cache;
    enum status status = cache_open(&o, &cache, e);
    if (status == STATUS_OK)
        status = cache_prepare(cache, &source, CACHE_VERIFY, &p, e);
    cache_close(cache);
    return status;
}

static void keep_outcome(struct member *m, const struct trainer *t)
{
    struct outcome *o = &m->outcome;
    const float *values = trainer_result(t, &o->best);
    const struct trainer_epoch *epochs = trainer_epochs(t, &o->epoch_count);
    memcpy(o->epochs, epochs, o->epoch_count * sizeof *epochs);
    o->values = malloc(o->value_count * sizeof *values);
    memcpy(o->values, values, o->value_count * sizeof *values);
}

static enum status train(struct member *m, struct error *e)
{
    enum status status;
    const struct plan *p = m->plan;
    const struct set *s = p->set;
    struct network n = {.path = NULL};
    struct training *training = NULL;
    struct loader *loader = NULL, *validation = NULL;
    struct trainer *t = NULL;
    struct example_item items[11];
    size_t count;
    struct team team = {m->seat.rank, p->ranks, {sum, most, &m->seat},
                        share,        agree,    &m->seat};
    struct loader_options l = {
        .example = {.window = {4, 10, 10},
                    .crop = {4, 8, 8},
                    .augment = true,
                    .augmentation = {.flip = true, .offset = 0.1, .noise_hu = 20},
                    .seed = 3},
        .cache = {.folder = s->cache_folder},
        .scans = s->scans,
        .scan_count = SCANS,
        .pool = &s->pool,
        .threads = p->threads,
        .samples = 8,
        .deadline_s = 60};
    if (s->map) {
        l.example.crop[0] = l.example.window[0] = 3;
        l.example.middle_slice = true;
        l.example.target = TARGET_BOXES;
    }
    struct training_options to = {.isa = isa_best(),
                                  .algorithm = CONV_AUTO,
                                  .threads = p->threads,
                                  .samples = 8,
                                  .loss =
                                      loss_make(s->map ? LOSS_DICE : LOSS_CROSS_ENTROPY)};
    const int64_t size[3] = {s->map ? 1 : 4, 8, 8};
    TRY(network_init(&n, s->network, e));
    TRY(training_new(&n, size, &to, &training, e));
    const struct training_tensor *tensors = training_tensors(training, &count);
    initialise_tensors(&n, tensors, count, 0, 11 + (uint64_t)m->seat.rank);
    TRY(loader_new(&l, &loader, e));
    struct example_options still = l.example;
    still.augment = false;
    memcpy(still.window, still.crop, sizeof still.window);
    l.example = still;
    TRY(loader_new(&l, &validation, e));
    for (int i = 0; i < 11; i++)
        items[i] = (struct example_item){.place = s->pool.places[i % 2][i],
                                         .sample = (uint64_t)i,
                                         .label = i % 2 == 0};
    struct trainer_options o = {
        .name = "tiny",
        .network = &n,
        .training = training,
        .optimizer = optimizer_defaults(s->map ? OPTIMIZER_ADAM : OPTIMIZER_SGD),
        .rate = {.kind = LEARNING_RATE_CONSTANT, .base = p->rate},
        .clip = 1,
        .epochs = EPOCHS,
        .epoch_samples = 19,
        .batch = 8,
        .every = 2,
        .best = METRIC_F1,
        .sampler = {.scheme = s->map ? SAMPLER_NODULES : SAMPLER_BALANCED,
                    .ratio = 1,
                    .seed = 3,
                    .counts = {PLACES, PLACES}},
        .pool = &s->pool,
        .scans = s->scans,
        .loader = loader,
        .example = &l.example,
        .repair = repair,
        .repair_context = (void *)(uintptr_t)s,
        .validation = {.loader = validation,
                       .items = items,
                       .count = 11,
                       .samples = 2,
                       .example = &still,
                       .loss = to.loss,
                       .plan = {.isa = to.isa, .algorithm = CONV_AUTO},
                       .threads = p->threads},
        .watch = {.wanted = wants, .context = m},
        .folder = p->folder,
        .keep = 2,
        .checkpoint_seconds = p->checkpoint_seconds,
        .binding = p->binding ? p->binding : "mode fixed\nscan 1\n"};
    o.optimizer.momentum = 0.9;
    TRY(trainer_new(&o, &team, &t, e));
    TRY(trainer_run(t, e));
    m->outcome.value_count = training_value_count(training);
    keep_outcome(m, t);
out:
    trainer_free(t);
    loader_free(loader);
    loader_free(validation);
    training_free(training);
    network_release(&n);
    return status;
}

static void *member_main(void *argument)
{
    struct member *m = argument;
    m->outcome.status = train(m, &m->outcome.err);
    return NULL;
}

/* Trains; all ranks have to end the same. The caller frees the values. */
static struct outcome run(const struct plan *p)
{
    struct meeting meeting = {.ranks = p->ranks};
    struct member members[RANKS_MAX];
    pthread_t threads[RANKS_MAX];
    pthread_barrier_init(&meeting.barrier, NULL, (unsigned)p->ranks);
    for (int r = 0; r < p->ranks; r++) {
        members[r] = (struct member){.plan = p, .seat = {&meeting, r}};
        pthread_create(&threads[r], NULL, member_main, &members[r]);
    }
    for (int r = 0; r < p->ranks; r++)
        pthread_join(threads[r], NULL);
    pthread_barrier_destroy(&meeting.barrier);
    for (int r = 1; r < p->ranks; r++) {
        struct outcome *o = &members[r].outcome;
        assert_int_equal(o->status, members[0].outcome.status);
        if (o->status == STATUS_OK)
            assert_memory_equal(o->values, members[0].outcome.values,
                                o->value_count * sizeof *o->values);
        free(o->values);
    }
    return members[0].outcome;
}

static void assert_same(const struct outcome *a, const struct outcome *b)
{
    if (b->status != STATUS_OK)
        fail_msg("%s", b->err.message);
    assert_int_equal(a->best, b->best);
    assert_int_equal(a->epoch_count, b->epoch_count);
    assert_memory_equal(a->epochs, b->epochs, sizeof a->epochs);
    assert_memory_equal(a->values, b->values, a->value_count * sizeof *a->values);
}

static struct plan plan_of(const struct set *s)
{
    return (struct plan){.set = s,
                         .ranks = 1,
                         .threads = 1,
                         .rate = 0.01,
                         .stop_at = -1,
                         .checkpoint_seconds = 1e9};
}

/* ---- promises ---- */

static void check_ranks(bool map)
{
    struct set s;
    set_make(&s, map);
    struct plan p = plan_of(&s);
    struct outcome first = run(&p);
    ok(first.status);
    assert_int_equal(first.epoch_count, EPOCHS);
    assert_true(first.epochs[0].validated == 1 && first.epochs[2].validated == 1);
    assert_false(isnan(first.epochs[2].training.f1));
    for (p.ranks = 1; p.ranks <= RANKS_MAX; p.ranks++)
        for (p.threads = 1; p.threads <= 2; p.threads++) {
            struct outcome o = run(&p);
            assert_same(&first, &o);
            free(o.values);
        }
    free(first.values);
    set_release(&s);
}

static void a_classifier_has_the_same_bits_on_any_ranks_and_threads(void **state)
{
    (void)state;
    check_ranks(false);
}

static void a_segmenter_has_the_same_bits_on_any_ranks_and_threads(void **state)
{
    (void)state;
    check_ranks(true);
}

static void check_stops(bool map)
{
    struct set s;
    set_make(&s, map);
    struct random r = random_stream(9, RANDOM_SAMPLE, map, 0);
    struct plan p = plan_of(&s);
    struct outcome first = run(&p), o;
    ok(first.status);
    p.folder = s.checkpoints;
    do {
        p.ranks = 1 + (int)random_below(&r, RANKS_MAX);
        p.stop_at = (int64_t)random_below(&r, 6);
        p.checkpoint_seconds = random_chance(&r, 0.5) ? 0 : 1e9;
        o = run(&p);
        if (o.status != STATUS_OK)
            assert_int_equal(o.status, STATUS_JOB_INTERRUPTED);
    } while (o.status == STATUS_JOB_INTERRUPTED);
    assert_same(&first, &o);
    free(o.values);
    p.stop_at = 0; /* finished: nothing is left to stop */
    o = run(&p);
    assert_same(&first, &o);
    free(o.values);
    free(first.values);
    set_release(&s);
}

static void a_stopped_classifier_goes_on_to_the_same_bits(void **state)
{
    (void)state;
    check_stops(false);
}

static void a_stopped_segmenter_goes_on_to_the_same_bits(void **state)
{
    (void)state;
    check_stops(true);
}

static void what_is_not_finite_is_named(void **state)
{
    (void)state;
    struct set s;
    set_make(&s, false);
    struct plan p = plan_of(&s);
    p.ranks = 2;
    p.rate = 1e30;
    struct outcome o = run(&p);
    assert_int_equal(o.status, STATUS_STAGE_NUMERIC);
    assert_non_null(strstr(o.err.message, "tiny, epoch 1, step "));
    assert_non_null(strstr(o.err.message, "1.2."));
    set_release(&s);
}

static void other_conditions_are_refused_by_name(void **state)
{
    (void)state;
    struct set s;
    set_make(&s, false);
    struct plan p = plan_of(&s);
    p.folder = s.checkpoints;
    p.stop_at = 2;
    assert_int_equal(run(&p).status, STATUS_JOB_INTERRUPTED);
    p.binding = "mode book\nscan 1\nscan2 x\n";
    p.ranks = 3;
    struct outcome o = run(&p);
    assert_int_equal(o.status, STATUS_JOB_CONFIG);
    assert_non_null(strstr(o.err.message, "mode (was fixed, is book)"));
    assert_non_null(strstr(o.err.message, "scan2 (was not there, is x)"));
    assert_null(strstr(o.err.message, "scan (was"));
    set_release(&s);
}

static struct set *damaged;

/* Overwrites the middle of a cached file, once. */
static void damage(int64_t step)
{
    char hex[HASH_HEX_BYTES], name[100];
    if (step != 2)
        return;
    hash_hex(damaged->scans[1].voxels, hex);
    snprintf(name, sizeof name, "cache/scans/%s.h5", hex);
    FILE *f = fopen(temporary_path(name), "r+b");
    if (!f)
        abort();
    fseek(f, 0, SEEK_END);
    const long bytes = ftell(f);
    for (long at = bytes / 8; at < bytes; at += 64) {
        fseek(f, at, SEEK_SET);
        fputc(0x5a, f);
    }
    fclose(f);
}

static void a_cached_file_damaged_meanwhile_is_made_again(void **state)
{
    (void)state;
    struct set s;
    set_make(&s, false);
    struct plan p = plan_of(&s);
    struct outcome first = run(&p);
    damaged = &s;
    p.before_step = damage;
    p.ranks = 2;
    p.threads = 2;
    struct outcome o = run(&p);
    assert_same(&first, &o);
    free(first.values);
    free(o.values);
    set_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f)                                                                          \
    cmocka_unit_test_setup_teardown(f, temporary_folder_make, temporary_folder_remove)
        TEST(a_classifier_has_the_same_bits_on_any_ranks_and_threads),
        TEST(a_segmenter_has_the_same_bits_on_any_ranks_and_threads),
        TEST(a_stopped_classifier_goes_on_to_the_same_bits),
        TEST(a_stopped_segmenter_goes_on_to_the_same_bits),
        TEST(what_is_not_finite_is_named),
        TEST(other_conditions_are_refused_by_name),
        TEST(a_cached_file_damaged_meanwhile_is_made_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
