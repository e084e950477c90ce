/* task_settings.c: the settings that methods share.
 */
#include "task.h"

#include "file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static auxo_status canonical_optimizer(const char *text, char *canonical, size_t size, auxo_error *error)
{
    auxo_optimizer_config config;
    auxo_status status = auxo_optimizer_config_parse(text, &config, error);
    if (status == AUXO_OK)
        auxo_optimizer_config_format(&config, canonical, size);
    return status;
}

/* A model that is a file is its content, wherever it lies; one that is gone is only known by its name. */
static auxo_status canonical_model(const char *text, char *canonical, size_t size, auxo_error *error)
{
    char *bytes = NULL;
    size_t size_bytes = 0;
    canonical[0] = '\0';
    if (!strchr(text, '.') || !auxo__file_exists(text))
        return AUXO_OK;
    auxo_status status = auxo__file_read(text, &bytes, &size_bytes, error);
    if (status == AUXO_OK)
        snprintf(canonical, size, "file:%016" PRIx64, (uint64_t)XXH3_64bits(bytes, size_bytes));
    free(bytes);
    return status;
}

const auxo_setting auxo__device_settings[] = {
    {.name = "device",
     .type = AUXO_SETTING_TEXT,
     .argument = "DEVICE",
     .initial = "auto",
     .help = "Device to run on: cpu, opencl:0, vulkan:1, a backend with part of a name (vulkan:radeon), or auto; "
             "\"auxo devices\" lists those of this machine",
     .role = AUXO_SETTING_FREE},
    {.name = "precision",
     .type = AUXO_SETTING_CHOICE,
     .argument = "f32|bf16|f16|auto",
     .initial = "f32",
     .help =
         "What networks compute in: f32; or operands and stored activations of 16 bits, with sums, weights and losses "
         "in f32 (f16 scales the loss); auto takes 16 bits where the device has matrix units for them. Narrow networks "
         "that run fused stay in f32",
     .role = AUXO_SETTING_ADAPTS},
    AUXO_SETTINGS_END,
};

const auxo_setting auxo__validation_settings[] = {
    {.name = "validation",
     .type = AUXO_SETTING_REAL,
     .argument = "FRACTION",
     .initial = "0",
     .help = "Part of the training rows set aside and measured after each epoch",
     .minimum = 0,
     .maximum = 0.9},
    AUXO_SETTINGS_END,
};

const auxo_setting auxo__model_settings[] = {
    {.name = "model",
     .type = AUXO_SETTING_TEXT,
     .argument = "NAME|FILE",
     .initial = "auto",
     .help = "Network: auto (two hidden layers of 32 for tables, lenet5 for pictures), mlp:SIZE-SIZE-... (sizes of the "
             "hidden layers, or of all layers), linear, lenet5, autosize-cnn, resnet18, vgg-small, a JSON description, "
             "or a "
             ".safetensors file with weights to start from",
     .canonical = canonical_model},
    AUXO_SETTINGS_END,
};

const auxo_setting auxo__import_settings[] = {
    {.name = "weights",
     .type = AUXO_SETTING_TEXT,
     .argument = "FILE.safetensors",
     .help =
         "Begin with the weights of this file of another tool: the network's own names, or torchvision's for resnet18, "
         "resnet34 (each with -imagenet) and vgg16",
     .canonical = canonical_model},
    {.name = "weight-rules",
     .type = AUXO_SETTING_TEXT,
     .argument = "FILE.json",
     .help = "Whose names are whose: an object as {\"layer{a}.conv\": \"block{a+1}_conv\"}",
     .canonical = canonical_model},
    {.name = "reset",
     .type = AUXO_SETTING_TEXT,
     .argument = "LAYER,...",
     .help = "Layers that are not taken from weights, but drawn: a new head for other classes"},
    AUXO_SETTINGS_END,
};

const auxo_setting auxo__seed_settings[] = {
    {.name = "seed",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "1",
     .help = "Seed of everything random; the same seed on the same device gives the same numbers"},
    AUXO_SETTINGS_END,
};

const auxo_setting auxo__stream_settings[] = {
    {.name = "stream",
     .type = AUXO_SETTING_CHOICE,
     .argument = "auto|always|never",
     .initial = "auto",
     .help =
         "Whether rows come to the device batch by batch while it works, or lie there: auto streams what takes more "
         "than stream-limit",
     .role = AUXO_SETTING_FREE},
    {.name = "stream-limit",
     .type = AUXO_SETTING_INTEGER,
     .argument = "MIB",
     .initial = "0",
     .help =
         "Memory that rows may take on the device under stream auto; 0: half of the device's memory, and 32 MiB for "
         "packed sets and arrays where the device's memory is the computer's own",
     .maximum = 1e9,
     .role = AUXO_SETTING_FREE},
    {.name = "shuffle",
     .type = AUXO_SETTING_CHOICE,
     .argument = "auto|rows|shards",
     .initial = "auto",
     .help = "Order of an epoch, by the seed: any row after any other, or shards of neighbouring rows in any order and "
             "the rows of every 16 shards mixed; auto takes shards for files of more than 1,048,576 rows or 1 GiB"},
    AUXO_SETTINGS_END,
};

#define LISTED(name, noun, states, flops) #noun ", "
const auxo_setting auxo__training_settings[] = {
    {.name = "batch",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "128",
     .help = "Rows per step",
     .minimum = 1,
     .maximum = 1e6},
    {.name = "optimizer",
     .type = AUXO_SETTING_TEXT,
     .argument = "NAME[:KEY=VALUE,...]",
     .initial = "momentum",
     .help = AUXO_OPTIMIZER_TABLE(LISTED) "with its settings, for example adam:lr=0.001 or (port-Hamiltonian) "
                                          "phs:mass=1,friction=0.5,goal=0.4,brake=10",
     .canonical = canonical_optimizer},
    {.name = "lr",
     .type = AUXO_SETTING_REAL,
     .argument = "X",
     .help = "Learning rate, instead of the optimizer's own",
     .minimum = 1e-12},
    {.name = "lr-schedule",
     .type = AUXO_SETTING_TEXT,
     .argument = "KIND",
     .initial = "constant",
     .help = "Learning rate over epochs: constant; linear or cosine, to nothing at the last epoch; step:N, a tenth "
             "after every N epochs"},
    {.name = "warmup",
     .type = AUXO_SETTING_INTEGER,
     .argument = "EPOCHS",
     .help = "Let the learning rate rise to its value over so many epochs (default: 1 for train, else 0)",
     .maximum = 1e6},
    {.name = "weight-decay",
     .type = AUXO_SETTING_REAL,
     .argument = "X",
     .help = "Weight decay, instead of the optimizer's own",
     .minimum = 0,
     .maximum = 1e3},
    {.name = "loss",
     .type = AUXO_SETTING_CHOICE,
     .argument = "auto|cross_entropy|mse",
     .initial = "auto",
     .help = "Loss; auto takes cross_entropy for classes, mse for numbers, and (adapt) the Cox likelihood for survival "
             "times"},
    AUXO__CLIP_SETTING,
    {.name = "class-weights",
     .type = AUXO_SETTING_TEXT,
     .argument = "none|balanced|W1,W2,...",
     .initial = "none",
     .help = "How much the rows of each class count in gradients: all the same, every class as much as any other, or "
             "one number for each class in their order; losses that are reported count every row the same"},
    {.name = "standardize",
     .type = AUXO_SETTING_FLAG,
     .initial = "yes",
     .help = "Shift and scale inputs (and real targets) by the statistics of the training rows; they are stored with "
             "the model"},
    {.name = "augment",
     .type = AUXO_SETTING_TEXT,
     .argument = "shift=N,flip|auto|none",
     .help = "Shift pictures by up to N pixels and mirror them, differently in each step; auto: shifts of a tenth of "
             "the sides, and flips unless the set is of digits or letters"},
    {.name = "reschedule",
     .type = AUXO_SETTING_FLAG,
     .help = "On resume, let a learning rate that falls to the last epoch fall anew to another last epoch",
     .role = AUXO_SETTING_FREE},
    {.name = "allow-host-fallback",
     .type = AUXO_SETTING_FLAG,
     .help = "Run ops that the device lacks on the host, through slow copies; counted and printed",
     .role = AUXO_SETTING_FREE},
    AUXO_SETTINGS_END,
};

const auxo_setting auxo__run_settings[] = {
    {.name = "checkpoint",
     .type = AUXO_SETTING_TEXT,
     .argument = "FILE",
     .help = "Save the whole state of the run here after each epoch, and when interrupted",
     .role = AUXO_SETTING_FREE},
    {.name = "resume",
     .type = AUXO_SETTING_FLAG,
     .help = "Continue from the checkpoint; settings that shape the run must be those it was begun with",
     .role = AUXO_SETTING_FREE},
    {.name = "report",
     .type = AUXO_SETTING_TEXT,
     .argument = "FILE.html",
     .help = "Write what made the run, its curves, edits and networks as one HTML file",
     .role = AUXO_SETTING_FREE},
    {.name = "csv",
     .type = AUXO_SETTING_TEXT,
     .argument = "FILE.csv",
     .help = "Write the numbers of every epoch here at the end",
     .role = AUXO_SETTING_FREE},
    AUXO_SETTINGS_END,
};

const auxo_setting auxo__save_settings[] = {
    {.name = "save",
     .type = AUXO_SETTING_TEXT,
     .argument = "FILE",
     .help = "Write the trained model here (safetensors, readable by other tools)",
     .role = AUXO_SETTING_FREE},
    {.name = "log-every",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .help = "Report the loss every N steps; 0: never (default: 1 with JSON, else only the progress line)",
     .role = AUXO_SETTING_FREE},
    AUXO_SETTINGS_END,
};
