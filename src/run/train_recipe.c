#include "run/train_recipe.h"

#include "base/hash.h"
#include "stage/segment_blocks.h"

/* Everything given. Mode fixed differs where the book's choice is a defect (recall alone
 * is highest for a network that marks everything; one transform a batch) or was made for
 * a GPU's hours. LunaModel begins with large outputs: at Adam's usual 1e-3 it falls to
 * the same answer for everything in its first hundred steps and stays there, at 2e-4 with
 * short gradients it learns. Where a validation has few nodules, F1 at one threshold is
 * chance and the area is not. */
static const struct train_settings presets[2][TRAIN_STAGES] = {
    {
        /* book */
        [TRAIN_SEGMENT] = {.epochs = 20,
                           .epoch_samples = 300000,
                           .batch = 16,
                           .optimizer = "adam",
                           .learning_rate = 1e-3,
                           .schedule = "constant",
                           .loss = "dice",
                           .augment = "full",
                           .ratio = 1,
                           .validate_every = 5,
                           .best = "recall"},
        [TRAIN_CLASSIFY] = {.epochs = 100,
                            .epoch_samples = 50000,
                            .batch = 24,
                            .optimizer = "sgd",
                            .learning_rate = 1e-3,
                            .weight_decay = 1e-4,
                            .schedule = "constant",
                            .loss = "cross-entropy",
                            .augment = "flip",
                            .ratio = 1,
                            .validate_every = 5,
                            .best = "f1"},
        [TRAIN_MALIGNANCY] = {.epochs = 40,
                              .epoch_samples = 50000,
                              .batch = 24,
                              .optimizer = "sgd",
                              .learning_rate = 3e-3,
                              .weight_decay = 1e-4,
                              .schedule = "constant",
                              .loss = "cross-entropy",
                              .augment = "flip",
                              .ratio = 1,
                              .validate_every = 5,
                              .best = "auc",
                              .depth = 2},
    },
    {
        /* fixed */
        [TRAIN_SEGMENT] = {.epochs = 10,
                           .epoch_samples = 50000,
                           .batch = 16,
                           .optimizer = "adam",
                           .learning_rate = 1e-3,
                           .schedule = "constant",
                           .loss = "dice",
                           .augment = "full",
                           .ratio = 1,
                           .validate_every = 1,
                           .validate_samples = 4000,
                           .best = "f1"},
        [TRAIN_CLASSIFY] = {.epochs = 20,
                            .epoch_samples = 50000,
                            .batch = 32,
                            .optimizer = "adam",
                            .learning_rate = 2e-4,
                            .clip = 1,
                            .schedule = "constant",
                            .loss = "cross-entropy",
                            .augment = "full",
                            .ratio = 1,
                            .validate_every = 1,
                            .validate_samples = 20000,
                            .best = "auc"},
        [TRAIN_MALIGNANCY] = {.epochs = 20,
                              .epoch_samples = 5000,
                              .batch = 32,
                              .optimizer = "adam",
                              .learning_rate = 3e-4,
                              .clip = 1,
                              .schedule = "constant",
                              .loss = "cross-entropy",
                              .augment = "full",
                              .ratio = 1,
                              .validate_every = 1,
                              .validate_samples = 20000,
                              .best = "auc",
                              .depth = 2},
    },
};

/* Of a segmenter in 3D, in both modes; the book has none. Small batches, since what
 * counts is the number of steps, and a loss that a patch of nearly nothing but background
 * does not lead astray (docs/performance.md). Half of the samples are places that are
 * listed as no nodule. */
static const struct train_settings volume_preset = {.epochs = 20,
                                                    .epoch_samples = 10000,
                                                    .batch = 4,
                                                    .optimizer = "adam",
                                                    .learning_rate = 2e-3,
                                                    .schedule = "cosine",
                                                    .loss = "dice-bce",
                                                    .augment = "full",
                                                    .ratio = 1,
                                                    .validate_every = 1,
                                                    .validate_samples = 1000,
                                                    .best = "f1"};

const char *train_stage_name(enum train_stage s)
{
    static const char *const names[TRAIN_STAGES] = {"segment", "classify", "malignancy"};
    return names[s];
}

/* The 3D segmenter finds more at equal numbers of candidates (docs/learning.md). */
const char *train_stage_network(enum train_stage stage, const char *mode)
{
    if (stage != TRAIN_SEGMENT)
        return "luna";
    return strcmp(mode, "book") ? "unet3d" : "unet2d";
}

static int64_t pick_integer(int64_t stage, int64_t all, int64_t preset, int64_t open)
{
    return stage != open ? stage : all != open ? all : preset;
}

static double pick_number(double stage, double all, double preset, double open)
{
    return stage > open ? stage : all > open ? all : preset;
}

static const char *pick_text(const char *stage, const char *all, const char *preset)
{
    return strcmp(stage, "auto") ? stage : strcmp(all, "auto") ? all : preset;
}

/* The settings of a stage with nothing left open. Texts are borrowed. */
static struct train_settings resolve(const struct settings *s, enum train_stage stage,
                                     const struct network *n)
{
    const struct train_settings *own = &s->train.stage[stage], *all = &s->train.all,
                                *preset = &presets[strcmp(s->mode, "book") != 0][stage];
    struct train_settings r;
    if (stage == TRAIN_SEGMENT && n->dimensions == 3)
        preset = &volume_preset;
#define INTEGER(field, open)                                                             \
    r.field = pick_integer(own->field, all->field, preset->field, open)
#define NUMBER(field, open)                                                              \
    r.field = pick_number(own->field, all->field, preset->field, open)
#define TEXT(field)                                                                      \
    r.field = (char *)(uintptr_t)pick_text(own->field, all->field, preset->field)
    INTEGER(epochs, 0);
    INTEGER(epoch_samples, 0);
    INTEGER(batch, 0);
    TEXT(optimizer);
    NUMBER(learning_rate, 0);
    TEXT(schedule);
    NUMBER(warmup, -1);
    NUMBER(momentum, -1);
    NUMBER(weight_decay, -1);
    NUMBER(clip, -1);
    TEXT(loss);
    TEXT(augment);
    INTEGER(ratio, 0);
    INTEGER(validate_every, -1);
    INTEGER(validate_samples, -1);
    INTEGER(patience, -1);
    TEXT(best);
    INTEGER(depth, 0);
#undef INTEGER
#undef NUMBER
#undef TEXT
    r.init = own->init[0] ? own->init : all->init;
    return r;
}

static enum status take_optimizer(const struct settings *s, enum train_stage stage,
                                  const struct train_settings *r,
                                  struct train_recipe *out, struct error *err)
{
    enum optimizer_kind kind;
    enum status status = optimizer_parse(r->optimizer, &kind, err);
    if (status != STATUS_OK)
        return status;
    out->optimizer = optimizer_defaults(kind);
    if (s->train.stage[stage].momentum >= 0 || s->train.all.momentum >= 0)
        out->optimizer.momentum = r->momentum;
    if (r->weight_decay > 0 || s->train.stage[stage].weight_decay >= 0 ||
        s->train.all.weight_decay >= 0)
        out->optimizer.weight_decay = r->weight_decay;
    return STATUS_OK;
}

enum { STEP_PERIODS = 3 };

static enum status take_rate(const struct train_settings *r, struct train_recipe *out,
                             struct error *err)
{
    const int64_t steps = (r->epoch_samples + r->batch - 1) / r->batch;
    const int64_t all = steps * r->epochs;
    out->rate = (struct learning_rate){.base = r->learning_rate,
                                       .warmup = (int64_t)(r->warmup * (double)steps),
                                       .steps = all,
                                       .period = all / STEP_PERIODS + 1,
                                       .gamma = 0.1};
    return learning_rate_parse(r->schedule, &out->rate.kind, err);
}

static struct augmentation augmentation_of(enum train_stage stage, const char *how,
                                           bool flat)
{
    const bool full = strcmp(how, "full") == 0, moved = full || !strcmp(how, "rigid");
    return (struct augmentation){
        .flip = true,
        .rotate = true,
        .offset = !moved                   ? 0
                  : stage == TRAIN_SEGMENT ? 0.03
                                           : 0.1,
        .scale = full ? 0.2 : 0,
        .noise_hu = moved ? 25 : 0,
        .keep_depth = flat,
    };
}

/* What is cut out of a scan: of networks that take any size, the book's for slices. A
 * patch in 3D lies anywhere within half of its size around the place, which it therefore
 * always holds. */
static void take_sizes(const struct network *n, enum train_stage stage,
                       struct train_recipe *out)
{
    static const int64_t any[2][3] = {
        {0, 64, 64},
        {BLOCK_LEAST_DEPTH, BLOCK_LEAST_SIDE, BLOCK_LEAST_SIDE}}; /* 2D, 3D */
    static const int64_t margin[2][3] = {
        {0, 32, 32}, {BLOCK_LEAST_DEPTH / 2, BLOCK_LEAST_SIDE / 2, BLOCK_LEAST_SIDE / 2}};
    const bool flat = n->dimensions == 2;
    struct example_options *e = &out->example;
    for (int i = 0; i < 3; i++) {
        e->crop[i] = n->crop[i] ? n->crop[i] : any[!flat][i];
        if (i == 0 && flat)
            e->crop[i] = n->input_channels;
        e->window[i] = e->crop[i] + (stage == TRAIN_SEGMENT ? margin[!flat][i] : 0);
        out->input[i] = e->crop[i];
    }
    if (flat)
        out->input[0] = 1;
    e->middle_slice = flat;
}

static enum status check_network(const struct network *n, enum train_stage stage,
                                 struct error *err)
{
    const enum layer_type last = n->layers[n->layer_count - 1].type;
    const bool map = last == LAYER_SIGMOID;
    if (map == (stage == TRAIN_SEGMENT) && (map || last == LAYER_SOFTMAX) &&
        (n->dimensions == 2 || n->input_channels == 1))
        return STATUS_OK;
    return error_set(err, STATUS_JOB_CONFIG,
                     "%s: network %s cannot be trained as stage %s, which needs %s",
                     n->path, n->name, train_stage_name(stage),
                     stage == TRAIN_SEGMENT
                         ? "one that ends in a sigmoid"
                         : "one of one channel that ends in a softmax of two classes");
}

uint64_t train_seed(const struct settings *s)
{
    const int64_t fold = s->train.fold, key[2] = {s->seed, fold};
    if (fold < 0 || !s->crossval.folds[fold])
        return (uint64_t)s->seed;
    return hash64(key, sizeof key);
}

enum status train_recipe_init(const struct settings *s, enum train_stage stage,
                              const struct network *n, struct train_recipe *out,
                              struct error *err)
{
    enum status status;
    const struct train_settings r = resolve(s, stage, n);
    enum loss_kind loss;
    *out = (struct train_recipe){.clip = r.clip,
                                 .epochs = r.epochs,
                                 .epoch_samples = r.epoch_samples,
                                 .batch = r.batch,
                                 .every = r.validate_every,
                                 .validate_samples = r.validate_samples,
                                 .patience = r.patience,
                                 .ratio = (uint64_t)r.ratio,
                                 .init = r.init};
    TRY(check_network(n, stage, err));
    TRY(take_optimizer(s, stage, &r, out, err));
    TRY(take_rate(&r, out, err));
    TRY(loss_parse(r.loss, &loss, err));
    TRY(metric_parse(r.best, &out->best, err));
    out->loss = loss_make(loss);
    out->scheme = stage == TRAIN_SEGMENT && n->dimensions == 2 ? SAMPLER_NODULES
                  : stage != TRAIN_MALIGNANCY                  ? SAMPLER_BALANCED
                  : s->train.non_nodules                       ? SAMPLER_MALIGNANCY
                                                               : SAMPLER_MALIGNANT;
    if (stage == TRAIN_MALIGNANCY && strcmp(s->train.start, "random") != 0)
        out->depth = (int)r.depth;
    take_sizes(n, stage, out);
    out->example.seed = train_seed(s);
    out->example.book = strcmp(s->mode, "book") == 0;
    out->example.augment = strcmp(r.augment, "none") != 0;
    out->example.augmentation = augmentation_of(stage, r.augment, n->dimensions == 2);
    if (stage == TRAIN_SEGMENT)
        out->example.target =
            strcmp(s->train.labels, "mask") ? TARGET_BOXES : TARGET_MASK;
out:
    return status;
}
