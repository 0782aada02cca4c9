/*
 * Random numbers without a state to keep: each is a function of a key and a counter.
 *
 * A stream is named by the run's seed, what it is for, and up to two indices (scan,
 * epoch, sample ...): whoever asks, in whatever order and on whatever rank, gets the same
 * numbers. Philox4x32-10 of Random123 (Salmon et al., "Parallel random numbers: as easy
 * as 1, 2, 3", SC 2011).
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* What streams are for. A number is never given to another use: files made from a seed
 * would change. */
enum random_use {
    RANDOM_PATIENT = 1, /* phantoms: anatomy */
    RANDOM_TREE,        /* phantoms: vessels and bronchi */
    RANDOM_FINDING,     /* phantoms: nodules and mimics */
    RANDOM_CANDIDATE,   /* phantoms: listed candidates */
    RANDOM_SCANNER,     /* phantoms: geometry and imaging */
    RANDOM_NOISE,       /* phantoms: noise of voxels */
    RANDOM_IMPLANT,     /* phantoms: nodules in a user's scans */
    RANDOM_WEIGHTS,     /* training: initial weights */
    RANDOM_SAMPLE,      /* training: which sample comes when */
    RANDOM_AUGMENT,     /* training: how it is augmented */
    RANDOM_BOOTSTRAP,   /* scoring: resamples */
    RANDOM_CROP,        /* training: where in its window a crop lies */
    RANDOM_HARD,        /* training: which hard negative comes when */
    RANDOM_LOSS,        /* simulation: which workers are lost, and when */
};

/* A stream being read: plain data, may be copied to read on from the same place. */
struct random {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t block[4];
    int used; /* words of the block handed out */
};

/* The stream (seed, use, a, b), from its beginning. b is below 2^32. */
struct random random_stream(uint64_t seed, enum random_use use, uint64_t a, uint64_t b);

uint32_t random_u32(struct random *r);

/* In [0, n) without bias. n > 0. */
uint64_t random_below(struct random *r, uint64_t n);

/* In [0, 1), 53 bits. */
double random_uniform(struct random *r);

/* In [low, high). */
double random_between(struct random *r, double low, double high);

/* Normal with mean 0 and standard deviation 1. */
double random_normal(struct random *r);

/* Whether something of this probability happens. */
int random_chance(struct random *r, double probability);

/* Four words of the stream (seed, use, a) at the position `b`, for numbers that belong to
 * voxels: no state at all. */
void random_block(uint64_t seed, enum random_use use, uint64_t a, uint64_t b,
                  uint32_t out[4]);

/* random_block at RANDOM_BLOCKS positions from `b` on, several times as fast: word i of
 * the block at b + k is out[i][k]. */
enum { RANDOM_BLOCKS = 32 };
void random_blocks(uint64_t seed, enum random_use use, uint64_t a, uint64_t b,
                   uint32_t out[4][RANDOM_BLOCKS]);

#endif
