/* `pulmo import FILE.safetensors MODEL.h5`: weights of another tool. */
#include <argp.h>

#include "base/log.h"
#include "cli/commands.h"
#include "export/safetensors.h"

enum { EXIT_USAGE = 2 };

struct arguments {
    const char *paths[2];
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (a->paths[1])
            argp_error(state, "'%s' is one argument too many", text);
        a->paths[a->paths[0] != NULL] = text;
        return 0;
    case ARGP_KEY_END:
        if (!a->paths[1])
            argp_error(state, "name a file of weights, and the model to be written");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .parser = parse,
    .args_doc = "FILE.safetensors MODEL.h5",
    .doc =
        "Makes a model of weights in safetensors. Tensors keep their names (PyTorch's, "
        "docs/weights.md); what pulmo export wrote about the model's training comes "
        "back, of other files nobody knows what they have seen.\vExit codes: 0 done; 1 "
        "MODEL.h5 cannot be written; 2 usage, or a file that cannot be read.",
};

int command_import(int argc, char **argv)
{
    struct arguments a = {0};
    struct tensor_file f = {0};
    struct error err;
    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &a);
    enum status status = safetensors_read(a.paths[0], &f, &err);
    if (status == STATUS_OK)
        status = tensor_file_write(a.paths[1], &f, &err);
    if (status == STATUS_OK)
        log_info("%s: %zu tensors", a.paths[1], f.count);
    else
        log_error("%s", err.message);
    tensor_file_release(&f);
    return status_exit_code(status);
}
