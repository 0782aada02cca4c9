#include "tensor/blis_facts.h"

#include <blis.h>

#include "base/banned.h"

void blis_describe(char *text, size_t bytes)
{
    bli_init();
    snprintf(text, bytes, "BLIS %s, %s kernels", bli_info_get_version_str(),
             bli_arch_string(bli_arch_query_id()));
}
