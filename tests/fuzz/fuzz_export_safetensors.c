/* Any bytes as safetensors: read or refused with a message, nothing else. What was read is
 * sorted, finite and of the shape that it says. */
#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

#include "export/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_tensors(const struct tensor_file *f)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct named_tensor *t = &f->tensors[i];
        size_t count = 1;
        for (int k = 0; k < t->rank; k++)
            count *= (size_t)t->shape[k];
        CHECK(count == t->count);
        CHECK(i == 0 || strcmp(f->tensors[i - 1].name, t->name) < 0);
        for (size_t k = 0; k < count; k++)
            CHECK(isfinite(t->values[k]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct tensor_file f;
    struct error err = {0};
    char path[64];
    int fd = memfd_create("safetensors", MFD_CLOEXEC);
    CHECK(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    enum status status = safetensors_read(path, &f, &err);
    CHECK((status == STATUS_OK) == (err.message[0] == '\0'));
    if (status == STATUS_OK)
        check_tensors(&f);
    tensor_file_release(&f);
    close(fd);
    return 0;
}
