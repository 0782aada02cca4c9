/* Bytes as a .nii file, gzip or not. */
#include "volume_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes > MAX_INPUT)
        return 0;
    volume_file_put("fuzz.nii", data, bytes);
    volume_file_read();
    return 0;
}
