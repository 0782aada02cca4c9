#include "config/settings_table.h"

#include <ctype.h>
#include <math.h>

#define AT(field) .offset = offsetof(struct settings, field)
#define RANGE(from, to) .low = (from), .high = (to)
#define ONE_OF(...) .choices = {__VA_ARGS__}

/* The keys of a group of training. */
/* clang-format off */
#define TRAIN_KEYS(group, at)                                                            \
    {group ".epochs", KEY_INTEGER, 0, AT(at.epochs), "0", RANGE(0, 1e5),                 \
     .help = "0: by mode and stage; may be raised in a run that is under way"},          \
    {group ".epoch_samples", KEY_INTEGER, KEY_BINDS, AT(at.epoch_samples), "0",          \
     RANGE(0, 1e9),                                                                      \
     .help = "samples of an epoch; 0: by mode and stage"},                               \
    {group ".batch", KEY_INTEGER, KEY_BINDS, AT(at.batch), "0", RANGE(0, 65536),         \
     .help = "samples of a step, of all ranks together; 0: by mode and stage"},          \
    {group ".optimizer", KEY_CHOICE, KEY_BINDS, AT(at.optimizer), "auto",                \
     ONE_OF("auto", "sgd", "adam", "adamw", "lars"),                                     \
     .help = "how gradients change weights"},                                            \
    {group ".learning_rate", KEY_NUMBER, KEY_BINDS, AT(at.learning_rate), "0",           \
     RANGE(0, 100),                                                                      \
     .help = "0: by mode and stage"},                                                    \
    {group ".schedule", KEY_CHOICE, KEY_BINDS, AT(at.schedule), "auto",                  \
     ONE_OF("auto", "constant", "step", "cosine"),                                       \
     .help = "of the learning rate; step: a tenth after each third of the epochs"},      \
    {group ".warmup", KEY_NUMBER, KEY_BINDS, AT(at.warmup), "-1", RANGE(-1, 1e5),        \
     .help = "epochs in which the learning rate rises; -1: by mode and stage"},          \
    {group ".momentum", KEY_NUMBER, KEY_BINDS, AT(at.momentum), "-1", RANGE(-1, 1),      \
     .help = "of sgd and lars; -1: by mode and stage"},                                  \
    {group ".weight_decay", KEY_NUMBER, KEY_BINDS, AT(at.weight_decay), "-1",            \
     RANGE(-1, 1),                                                                       \
     .help = "-1: by mode and stage"},                                                   \
    {group ".clip", KEY_NUMBER, KEY_BINDS, AT(at.clip), "-1", RANGE(-1, 1e9),            \
     .help = "the longest gradient; 0: any; -1: by mode and stage"},                     \
    {group ".loss", KEY_CHOICE, KEY_BINDS, AT(at.loss), "auto",                          \
     ONE_OF("auto", "cross-entropy", "focal", "bce", "dice", "dice-bce"),                \
     .help = "what is made small"},                                                      \
    {group ".augment", KEY_CHOICE, KEY_BINDS, AT(at.augment), "auto",                    \
     ONE_OF("auto", "none", "flip", "rigid", "full"),                                    \
     .help = "flip: and turned; rigid: also moved and made noisy; full: also stretched"},\
    {group ".ratio", KEY_INTEGER, KEY_BINDS, AT(at.ratio), "0", RANGE(0, 1000),          \
     .help = "classify and 3D segmenters: non-nodules a nodule; 0: by mode and stage"},  \
    {group ".validate_every", KEY_INTEGER, KEY_BINDS, AT(at.validate_every), "-1",       \
     RANGE(-1, 1e5),                                                                     \
     .help = "epochs between validations, beside the first and last; 0: none; -1: by "   \
             "mode and stage"},                                                          \
    {group ".validate_samples", KEY_INTEGER, KEY_BINDS, AT(at.validate_samples), "-1",   \
     RANGE(-1, 1e9),                                                                     \
     .help = "most samples of a validation, nodules first; 0: all; -1: by mode and "     \
             "stage"},                                                                   \
    {group ".patience", KEY_INTEGER, KEY_BINDS, AT(at.patience), "-1", RANGE(-1, 1e5),   \
     .help = "validations without a better one that end it; 0: never; -1: by mode and "  \
             "stage"},                                                                   \
    {group ".best", KEY_CHOICE, KEY_BINDS, AT(at.best), "auto",                          \
     ONE_OF("auto", "f1", "auc", "recall"),                                              \
     .help = "metric of the validation by which weights are kept"},                      \
    {group ".depth", KEY_INTEGER, KEY_BINDS, AT(at.depth), "0", RANGE(0, 1000),          \
     .help = "malignancy: parts of the network, from its end, that are trained; 0: by "  \
             "mode"},                                                                    \
    {group ".init", KEY_PATH, KEY_BINDS, AT(at.init), "",                      \
     .help = "weights to begin with (HDF5); none: random ones, malignancy: the "         \
             "classifier's"}
/* clang-format on */

const struct key keys[] = {
    {"stages", KEY_STAGES, 0, AT(stages), "[\"detect\"]",
     .help = "what the job does, in order"},
    {"mode", KEY_CHOICE, KEY_BINDS, AT(mode), "fixed", ONE_OF("book", "fixed"),
     .help = "the book's pipeline as it is, or with its defects corrected"},
    {"seed", KEY_INTEGER, KEY_BINDS, AT(seed), "1", RANGE(0, INFINITY),
     .help = "seed of all random numbers"},
    {"output", KEY_PATH, 0, AT(output), "",
     .help = "the run folder, visible to all ranks"},
    {"site", KEY_NAME, KEY_MERGED, AT(site), "",
     .help =
         "settings of a machine, merged below the job: a file, or a name in conf/sites"},

    {"dataset.root", KEY_PATH, KEY_BINDS, AT(dataset.root), "",
     .help = "a LUNA16 tree (subset0 to subset9), or any folder of volumes"},
    {"dataset.scan", KEY_PATH, KEY_BINDS, AT(dataset.scan), "",
     .help = "one volume, in place of dataset.root"},
    {"dataset.subsets", KEY_SUBSETS, KEY_BINDS, AT(dataset.subsets),
     "[0,1,2,3,4,5,6,7,8,9]", .help = "which subsets of a LUNA16 tree"},
    {"dataset.annotations", KEY_PATH, 0, AT(dataset.annotations), "",
     .help = "list of nodules; default: annotations.csv beside the subsets"},
    {"dataset.candidates", KEY_PATH, KEY_BINDS, AT(dataset.candidates), "",
     .help = "list of candidates; default: candidates_V2.csv, else candidates.csv"},
    {"dataset.excluded", KEY_PATH, 0, AT(dataset.excluded), "",
     .help = "list of findings that do not count; default: annotations_excluded.csv"},
    {"dataset.seriesuids", KEY_PATH, 0, AT(dataset.seriesuids), "",
     .help = "list of scans; default: seriesuids.csv"},
    {"dataset.malignancy", KEY_PATH, 0, AT(dataset.malignancy), "",
     .help = "list of malignancies; default: annotations_with_malignancy.csv"},
    {"dataset.patients", KEY_PATH, 0, AT(dataset.patients), "",
     .help = "list of whose scans they are (seriesuid,patient); default: patients.csv"},
    {"dataset.masks", KEY_PATH, KEY_BINDS, AT(dataset.masks), "",
     .help = "a folder of label volumes named as the scans: train.labels \"mask\""},
    {"dataset.allow_outside", KEY_BOOLEAN, 0, AT(dataset.allow_outside), "false",
     .help = "let a header name voxels outside the folder of the header"},

    {"cache.dir", KEY_PATH, 0, AT(cache.dir), "",
     .help = "the volume cache, visible to all ranks; made when it is not there"},
    {"cache.local", KEY_PATH, 0, AT(cache.local), "",
     .help = "a folder of each node that scans of the cache are copied to when they are "
             "read; none: they are read where they are"},
    {"cache.quota_gb", KEY_NUMBER, 0, AT(cache.quota_gb), "0", RANGE(0, 1e9),
     .help =
         "least recently used scans are removed from the cache beyond this; 0: never"},

    {"segment.method", KEY_CHOICE, KEY_BINDS, AT(segment.method), "network",
     ONE_OF("network", "threshold", "candidates"),
     .help = "find candidates with the network, find bright blobs in the lungs without "
             "one, or take those of dataset.candidates"},
    {"segment.network", KEY_NAME, KEY_BINDS, AT(segment.network), "",
     .help = "a network file, or a name in conf/models (unet3d works in 3D); default: "
             "what the weights say, in training unet3d, in mode book unet2d"},
    {"segment.weights", KEY_PATHS, KEY_BINDS, AT(segment.weights), "",
     .help = "weights of the segmentation network (HDF5); of several, the mean of the "
             "heatmaps is taken"},
    {"segment.threshold", KEY_NUMBER, KEY_BINDS, AT(segment.threshold), "0.5",
     RANGE(0, 1), .help = "voxels of the heatmap above it belong to a candidate"},

    {"blob.min_mm", KEY_NUMBER, KEY_BINDS, AT(blob.min_mm), "3", RANGE(1, 50),
     .help = "segment.method \"threshold\": the smallest blobs that are looked for, mm "
             "across"},
    {"blob.max_mm", KEY_NUMBER, KEY_BINDS, AT(blob.max_mm), "30", RANGE(1, 100),
     .help = "segment.method \"threshold\": the largest"},
    {"blob.min_score", KEY_NUMBER, KEY_BINDS, AT(blob.min_score), "0.005", RANGE(0, 1),
     .help = "segment.method \"threshold\": blobs that score less are no candidates"},
    {"blob.max_candidates", KEY_INTEGER, KEY_BINDS, AT(blob.max_candidates), "500",
     RANGE(1, 10000),
     .help = "segment.method \"threshold\": the best of a scan that are candidates"},

    {"group.erosion", KEY_CHOICE, KEY_BINDS, AT(group.erosion), "auto",
     ONE_OF("auto", "3d", "in-plane", "none"),
     .help = "erosion before grouping; auto: 3d in mode book, in-plane in mode fixed"},
    {"group.min_voxels", KEY_INTEGER, KEY_BINDS, AT(group.min_voxels), "1", RANGE(1, 1e9),
     .help = "smaller groups of voxels are no candidates"},

    {"classify.network", KEY_NAME, KEY_BINDS, AT(classify.network), "",
     .help = "a network file, or a name in conf/models; default: what the weights say"},
    {"classify.weights", KEY_PATHS, KEY_BINDS, AT(classify.weights), "",
     .help = "weights of the nodule classifier (HDF5); of several, the mean is taken and "
             "their disagreement stored"},
    {"classify.threshold", KEY_NUMBER, KEY_BINDS, AT(classify.threshold), "0.5",
     RANGE(0, 1),
     .help = "from this probability on a candidate counts as a nodule in the diagnosis"},

    {"malignancy.network", KEY_NAME, KEY_BINDS, AT(malignancy.network), "",
     .help = "a network file, or a name in conf/models; default: what the weights say"},
    {"malignancy.weights", KEY_PATHS, KEY_BINDS, AT(malignancy.weights), "",
     .help = "weights of the malignancy classifier (HDF5), or several as above; none: no "
             "diagnosis score"},
    {"malignancy.threshold", KEY_NUMBER, KEY_BINDS, AT(malignancy.threshold), "0.5",
     RANGE(0, 1), .help = "from this probability on a nodule is called malignant"},
    {"malignancy.patient", KEY_CHOICE, KEY_BINDS, AT(malignancy.patient), "max",
     ONE_OF("max", "noisy-or"), .help = "how the nodules of a scan make its score"},

    {"train.stages", KEY_SET, KEY_BINDS, AT(train.stages),
     "[\"segment\",\"classify\",\"malignancy\"]",
     ONE_OF("segment", "classify", "malignancy"),
     .help = "the networks that are trained"},
    {"train.fold", KEY_INTEGER, KEY_BINDS, AT(train.fold), "-1",
     RANGE(-1, SETTINGS_SUBSETS - 1),
     .help = "the subset that is left alone in training and that the stage detect then "
             "goes through, the next one validates; -1: no test, every tenth scan "
             "validates"},
    {"train.labels", KEY_CHOICE, KEY_BINDS, AT(train.labels), "book",
     ONE_OF("book", "mask"),
     .help = "what the segmenter learns: boxes grown from annotations, or dataset.masks"},
    {"train.hard_negatives", KEY_NAME, KEY_BINDS, AT(train.hard_negatives), "",
     .help = "classify: also learn from what a segmenter wrongly finds in the scans "
             "trained on; \"own\": what this job's finds, or the candidates.csv of a "
             "run"},
    {"train.hard_share", KEY_NUMBER, KEY_BINDS, AT(train.hard_share), "0.5", RANGE(0, 1),
     .help = "of the non-nodules that the classifier learns from: hard ones"},
    TRAIN_KEYS("train", train.all),
    TRAIN_KEYS("train.segment", train.stage[TRAIN_SEGMENT]),
    TRAIN_KEYS("train.classify", train.stage[TRAIN_CLASSIFY]),
    TRAIN_KEYS("train.malignancy", train.stage[TRAIN_MALIGNANCY]),
    {"train.malignancy.start", KEY_CHOICE, KEY_BINDS, AT(train.start), "classifier",
     ONE_OF("classifier", "random"),
     .help = "classifier: its last parts go on, its head begins anew (depth, init); "
             "random: all of the network begins anew"},
    {"train.malignancy.non_nodules", KEY_BOOLEAN, KEY_BINDS, AT(train.non_nodules),
     "true",
     .help = "non-nodules are sampled with the benign nodules; false: malignant against "
             "benign nodules alone"},

    {"crossval.folds", KEY_SUBSETS, KEY_BINDS | KEY_EMPTY, AT(crossval.folds), "[]",
     .help = "cross-validation: the subsets that are tested one after the other, each by "
             "models trained without it; none: a job as any other. With train.fold only "
             "that fold is run"},
    {"crossval.groups", KEY_INTEGER, 0, AT(crossval.groups), "0",
     RANGE(0, SETTINGS_SUBSETS),
     .help = "folds that are run at the same time, the workers divided among them; 0: by "
             "the number of workers"},

    {"crossval.patients", KEY_CHOICE, KEY_BINDS, AT(crossval.patients), "check",
     ONE_OF("check", "move"),
     .help = "patients with scans in several subsets, by dataset.patients; check: a job "
             "with folds is refused (in LUNA16's own data warned of); move: their scans "
             "count for the lowest of these subsets"},

    {"checkpoint.seconds", KEY_NUMBER, 0, AT(checkpoint.seconds), "300", RANGE(0, 1e7),
     .help = "between checkpoints of a training; 0: after every step"},
    {"checkpoint.keep", KEY_INTEGER, 0, AT(checkpoint.keep), "2", RANGE(1, 1000),
     .help = "newest checkpoints of a training that are kept"},

    {"store.heatmaps", KEY_BOOLEAN, KEY_BINDS, AT(store.heatmaps), "false",
     .help = "keep the heatmaps in run.h5 (4 bytes a voxel)"},
    {"store.driver", KEY_CHOICE, 0, AT(store.driver), "auto",
     ONE_OF("auto", "romio", "ompio"), .help = "MPI-IO component that writes run.h5"},

    {"nightly.enabled", KEY_BOOLEAN, 0, AT(nightly.enabled), "false",
     .help = "output is a chain of nights over dataset.root: what has not changed since "
             "the last one carries over"},
    {"nightly.keep", KEY_INTEGER, 0, AT(nightly.keep), "14", RANGE(0, 1e6),
     .help = "newest runs of the chain that are kept; 0: all"},
    {"nightly.settle_s", KEY_NUMBER, 0, AT(nightly.settle_s), "300", RANGE(0, 1e7),
     .help = "a new or changed scan waits for the next night while its files are younger "
             "than so many seconds"},
    {"nightly.max_vanished", KEY_NUMBER, 0, AT(nightly.max_vanished), "0.1",
     RANGE(0, 1e9),
     .help = "scans of the last run that may be gone, as a count, or a fraction when "
             "below 1; with more nothing is done"},
    {"nightly.verify", KEY_BOOLEAN, 0, AT(nightly.verify), "false",
     .help = "read and compare all scans, also where size and time of the files are as "
             "they were"},
    {"nightly.tolerance", KEY_NUMBER, 0, AT(nightly.tolerance), "0.05", RANGE(0, 1),
     .help = "differences of probabilities and scores up to it are not reported"},
    {"nightly.tolerance_mm", KEY_NUMBER, 0, AT(nightly.tolerance_mm), "1", RANGE(0, 100),
     .help = "findings so near each other are the same, diameters so near no change"},
    {"nightly.canaries", KEY_INTEGER, 0, AT(nightly.canaries), "3", RANGE(0, 1000),
     .help = "copies of scans with implanted nodules that are looked for each night, "
             "apart from all results"},
    {"nightly.canary_bound", KEY_NUMBER, 0, AT(nightly.canary_bound), "0.5", RANGE(0, 1),
     .help = "an alarm when a smaller share of the implanted nodules is found"},

    {"limits.quarantine", KEY_NUMBER, 0, AT(limits.quarantine), "0.05", RANGE(0, 1e9),
     .help = "bad scans that a job puts up with: a count, or a fraction when below 1"},
    {"limits.memory_gb", KEY_NUMBER, 0, AT(limits.memory_gb), "1.0", RANGE(0.001, 1e6),
     .help = "for what a rank holds at once: voxels, or the batches of a training"},
    {"limits.deadline_s", KEY_NUMBER, 0, AT(limits.deadline_s), "600", RANGE(0.1, 1e7),
     .help = "longest wait for a file or another rank, in seconds"},
    {"limits.start_s", KEY_NUMBER, 0, AT(limits.start_s), "60", RANGE(0, 1e7),
     .help = "seconds that ranks wait at least for each other to start and to leave MPI, "
             "where twice limits.deadline_s is shorter"},

    {"compute.isa", KEY_CHOICE, KEY_BINDS, AT(compute.isa), "auto",
     ONE_OF("auto", "portable", "avx2", "avx512"),
     .help = "instruction set; auto: the best that all ranks have"},
    {"compute.threads", KEY_INTEGER, 0, AT(compute.threads), "0", RANGE(0, 4096),
     .help = "threads a rank; 0: cores allotted / compute ranks on the host"},
    {"compute.algorithm", KEY_CHOICE, KEY_BINDS, AT(compute.algorithm), "auto",
     ONE_OF("auto", "reference", "blis", "direct", "winograd", "winograd4", "planes",
            "lines"),
     .help = "how convolutions are computed"},

    {"cluster.nodes", KEY_INTEGER, 0, AT(cluster.nodes), "0", RANGE(0, 1e6),
     .help = "check: nodes that a job may have; 0: any number"},
    {"cluster.tasks", KEY_INTEGER, 0, AT(cluster.tasks), "0", RANGE(0, 4096),
     .help = "check: ranks on a node; 0: one a core"},
    {"cluster.cores", KEY_INTEGER, 0, AT(cluster.cores), "0", RANGE(0, 4096),
     .help = "check: cores of a node; 0: as many as this machine has"},
    {"cluster.memory_gb", KEY_NUMBER, 0, AT(cluster.memory_gb), "0", RANGE(0, 1e6),
     .help = "check: memory of a node that jobs may have; 0: not known"},
    {"cluster.partition", KEY_NAME, 0, AT(cluster.partition), "",
     .help = "check: the partition that its sbatch line names"},
    {"cluster.launcher", KEY_CHOICE, 0, AT(cluster.launcher), "mpirun",
     ONE_OF("mpirun", "srun"), .help = "check: what the batch script starts ranks with"},
    {"cluster.scratch", KEY_PATH, 0, AT(cluster.scratch), "",
     .help = "check: a folder on each node's own disk, for the batch script's "
             "cache.local"},
    {"cluster.latency_us", KEY_NUMBER, 0, AT(cluster.latency_us), "20", RANGE(0, 1e6),
     .help = "check: of a message between nodes (alpha), in microseconds"},
    {"cluster.bandwidth_gbs", KEY_NUMBER, 0, AT(cluster.bandwidth_gbs), "1",
     RANGE(1e-6, 1e6), .help = "check: between two nodes (1 / beta), in GB/s"},
    {"cluster.storage_gbs", KEY_NUMBER, 0, AT(cluster.storage_gbs), "0", RANGE(0, 1e6),
     .help = "check: what the shared file system gives all ranks together, in GB/s; 0: "
             "no bound"},
    {"cluster.restart_s", KEY_NUMBER, 0, AT(cluster.restart_s), "60", RANGE(0, 1e6),
     .help = "check: from the loss of a host until ranks work again, in seconds"},
};

const size_t key_count = sizeof(keys) / sizeof(keys[0]);

const struct stage_name stage_names[] = {
    {"prepare", offsetof(struct settings, stages.prepare)},
    {"train", offsetof(struct settings, stages.train)},
    {"detect", offsetof(struct settings, stages.detect)},
    {"score", offsetof(struct settings, stages.score)},
    {"report", offsetof(struct settings, stages.report)},
};

const size_t stage_count = sizeof(stage_names) / sizeof(stage_names[0]);

const struct key *key_find(const char *name)
{
    for (size_t i = 0; i < key_count; i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

bool key_group_exists(const char *group)
{
    size_t n = strlen(group);
    for (size_t i = 0; i < key_count; i++)
        if (strncmp(keys[i].name, group, n) == 0 && keys[i].name[n] == '.')
            return true;
    return false;
}

enum { NAME_BYTES = 64, NEAR = 3 };

/* Levenshtein's distance of two names shorter than NAME_BYTES, capitals and small letters
 * alike. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_BYTES + 1], n = strlen(b);
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            bool same = tolower((unsigned char)a[i]) == tolower((unsigned char)b[j]);
            size_t best = diagonal + !same;
            diagonal = row[j + 1];
            if (best > row[j] + 1)
                best = row[j] + 1;
            if (best > diagonal + 1)
                best = diagonal + 1;
            row[j + 1] = best;
        }
    }
    return row[n];
}

const struct key *key_nearest(const char *name)
{
    const struct key *nearest = NULL;
    size_t least = NEAR + 1;
    if (strlen(name) >= NAME_BYTES)
        return NULL;
    for (size_t i = 0; i < key_count; i++) {
        const char *dot = strchr(keys[i].name, '.');
        size_t d = distance(name, keys[i].name);
        if (dot && strcmp(dot + 1, name) == 0)
            d = 1; /* the group was forgotten */
        if (d < least) {
            least = d;
            nearest = &keys[i];
        }
    }
    return nearest;
}

static void describe_choices(const struct key *k, char *out, size_t bytes)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; k->choices[i] && used < bytes; i++) {
        const char *before = i == 0 ? "" : k->choices[i + 1] ? ", " : " or ";
        used +=
            (size_t)snprintf(out + used, bytes - used, "%s\"%s\"", before, k->choices[i]);
    }
}

void key_describe(const struct key *k, char *out, size_t bytes)
{
    const char *kind = k->type == KEY_INTEGER ? "an integer" : "a number";
    size_t n;
    switch (k->type) {
    case KEY_PATH:
        snprintf(out, bytes, "a path");
        break;
    case KEY_PATHS:
        snprintf(out, bytes, "a path or a list of paths (*, ? and [ ] as in a shell)");
        break;
    case KEY_NAME:
        snprintf(out, bytes, "a path or a name");
        break;
    case KEY_CHOICE:
        describe_choices(k, out, bytes);
        break;
    case KEY_BOOLEAN:
        snprintf(out, bytes, "true or false");
        break;
    case KEY_INTEGER:
    case KEY_NUMBER:
        if (isinf(k->high))
            snprintf(out, bytes, "%s from %.10g", kind, k->low);
        else
            snprintf(out, bytes, "%s from %.10g to %.10g", kind, k->low, k->high);
        break;
    case KEY_SUBSETS:
        snprintf(out, bytes, "a list of different numbers from 0 to %d",
                 SETTINGS_SUBSETS - 1);
        break;
    case KEY_SET:
        n = (size_t)snprintf(out, bytes, "a list of different ones of ");
        describe_choices(k, out + n, bytes - n);
        break;
    case KEY_STAGES:
        snprintf(out, bytes, "a list of stages such as [\"%s\"]", stage_names[0].name);
        break;
    }
}
