/* Bytes as a chunk of the cache, whose checksum happens to hold: the first three choose
 * the size of the chunk. Decoded whole and in part; the part is the same in both. */
#include <stdlib.h>

#include "cache/chunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct chunk_codec *codec;
    static int16_t whole[CHUNK_VOXELS], part[CHUNK_VOXELS];
    if (bytes < 3)
        return 0;
    const int size[3] = {1 + data[0] % CHUNK_DEPTH, 1 + data[1] % CHUNK_ROWS,
                         1 + data[2] % CHUNK_COLUMNS};
    const struct chunk_box all = {{0, 0, 0}, {size[0], size[1], size[2]}};
    const struct chunk_box some = {{size[0] / 2, size[1] / 3, size[2] / 4},
                                   {size[0], size[1] / 3 + 1, size[2]}};
    if (!codec)
        CHECK(chunk_codec_new(&codec, NULL) == STATUS_OK);
    if (chunk_decode(codec, data + 3, bytes - 3, size, &all, whole, size[1] * size[2],
                     size[2], NULL) != STATUS_OK)
        return 0;
    CHECK(chunk_decode(codec, data + 3, bytes - 3, size, &some, part,
                       CHUNK_ROWS * CHUNK_COLUMNS, CHUNK_COLUMNS, NULL) == STATUS_OK);
    for (int z = some.first[0]; z < some.end[0]; z++)
        for (int y = some.first[1]; y < some.end[1]; y++)
            for (int x = some.first[2]; x < some.end[2]; x++)
                CHECK(part[((z - some.first[0]) * CHUNK_ROWS + y - some.first[1]) *
                               CHUNK_COLUMNS +
                           x - some.first[2]] == whole[(z * size[1] + y) * size[2] + x]);
    return 0;
}
