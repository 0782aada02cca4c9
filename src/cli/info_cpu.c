/* What this machine computes with. */
#include <sched.h>

#include "cli/info.h"
#include "tensor/blis_facts.h"
#include "tensor/isa.h"

enum { BLIS_TEXT = 96 };

void info_cpu(void)
{
    char blis[BLIS_TEXT];
    cpu_set_t allotted;
    enum isa best = isa_best();
    printf("sets        ");
    for (int i = 0; i <= (int)best; i++)
        printf("%s %s", i ? "," : "", isa_name((enum isa)i));
    printf("\nchosen       %s (compute.isa = \"auto\" on this machine alone)\n",
           isa_name(best));
    if (sched_getaffinity(0, sizeof allotted, &allotted) == 0)
        printf("cores        %d allotted to this process\n", CPU_COUNT(&allotted));
    isa_use(best);
    blis_describe(blis, sizeof blis);
    printf("library      %s\n", blis);
}
