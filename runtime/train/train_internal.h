/* train_internal.h: what the files of the trainer share: data on the device, batches, step plans, evaluation, progress.
 *
 * Counters on the device (u32[8]): [0] step and [3] optimiser time, both 1 for the first; [1] batch of the epoch; [2]
 * epoch. The optimiser reads its time through a second COUNTER view that starts at [3], so that it can restart on its
 * own. Invariant: the host knows every counter; it writes them before it enqueues steps, and never between the steps of
 * a chunk.
 */
#ifndef AUXO_TRAIN_INTERNAL_H
#define AUXO_TRAIN_INTERNAL_H

#include "norm_sync.h"
#include "optimizer_internal.h"
#include "stream.h"

/* Streams of the counter-based generator; those of the model layer lie below. */
enum { AUXO__STREAM_AUGMENT = 0x04000000, AUXO__STREAM_SHUFFLE = 0x05000000 };
enum { AUXO__HISTORY_LENGTH = 4096 }; /* batch losses that the device remembers */

/* ---- device_data.c: a data set in device memory ---- */
typedef struct auxo__device_data {
    const auxo_dataset *dataset; /* borrowed */
    auxo_buffer *features;       /* (rows, C, H W), u8 or f32 */
    auxo_buffer *targets;        /* labels u32 (rows), real targets f32 (rows, T), or times f32 (rows) */
    auxo_buffer *events;         /* u32 (rows), survival */
    auxo__stream *stream;        /* not NULL: features and targets are its ring; else all rows in their order */
    int64_t rows;                /* on the device */
} auxo__device_data;

auxo_status auxo__device_data_init(auxo__device_data *data, auxo_queue *queue, const auxo_dataset *dataset,
                                   auxo_error *error);
/* The same with the rows in a ring: as options, whose dataset and queue are set. */
auxo_status auxo__device_data_stream(auxo__device_data *data, auxo_queue *queue, const auxo_dataset *dataset,
                                     auxo__stream_options *options, auxo_error *error);
/* Whether the rows are to be streamed to the device. */
bool auxo__device_data_streams(const auxo_device *device, const auxo_dataset *dataset, auxo_stream_mode mode,
                               uint64_t limit_bytes);
size_t auxo__device_row_bytes(const auxo_dataset *dataset); /* inputs and targets of a row */
void auxo__device_data_deinit(auxo__device_data *data);

/* The preprocessing of a model in device memory; absent tensors where there is none. */
typedef struct auxo__device_preprocessing {
    auxo_buffer *buffer;
    auxo_tensor means, inverse_stds, target_means, target_inverse_stds;
} auxo__device_preprocessing;
auxo_status auxo__device_preprocessing_init(auxo__device_preprocessing *preprocessing, const auxo_model *model,
                                            auxo_error *error);
void auxo__device_preprocessing_deinit(auxo__device_preprocessing *preprocessing);

/* ---- batch.c: gathering a batch, the loss over it ---- */
typedef struct auxo__batch {
    const auxo__device_data *data;
    const auxo__device_preprocessing *preprocessing;
    int64_t size;
    int64_t first_row, row_count; /* the part of the data set it draws from */
    auxo_tensor order;            /* positions in that part; may be absent: in their order */
    auxo_tensor counter;          /* COUNTER */
    auxo_dtype precision;         /* of the features: the model's */
} auxo__batch;
/* Appends the gathering of the batch's rows out of rows (n, C, inner), in `dtype`; means and inverse_stds (C) may be
 * absent. */
void auxo__batch_add_gather(const auxo__batch *batch, auxo_plan *plan, const auxo_tensor *rows, auxo_dtype dtype,
                            const auxo_tensor *means, const auxo_tensor *inverse_stds, const char *label,
                            auxo_tensor *gathered);
/* Appends the gathering of features: *input is (size, C, H, W). */
void auxo__batch_add_input(const auxo__batch *batch, auxo_plan *plan, auxo_tensor *input);

typedef struct auxo__loss_outputs {
    auxo_tensor stats, history; /* may be absent */
    auxo_tensor *gradient;      /* receives a temporary with the gradient of the model's output; NULL: not wanted */
} auxo__loss_outputs;
/* Appends the gathering of targets and the loss of `output` (size, outputs). */
void auxo__batch_add_loss(const auxo__batch *batch, const auxo_train_options *options, auxo_plan *plan,
                          const auxo_tensor *output, const auxo__loss_outputs *outputs);
/* Whether model, data and loss fit together. */
auxo_status auxo__check_data(const auxo_model *model, const auxo_dataset *dataset, auxo_loss_kind loss,
                             auxo_error *error);
/* The features alone. */
auxo_status auxo__check_features(const auxo_model *model, const auxo_dataset *dataset, auxo_error *error);

/* ---- evaluate.c: loss and accuracy over a data set ---- */
typedef struct auxo__evaluator {
    auxo_model *model;
    auxo__device_data data;
    auxo__device_preprocessing preprocessing;
    auxo_train_options options; /* loss, cox, allow_host_fallback */
    auxo_plan *full, *remainder;
    auxo_buffer *counter, *history, *stats;
    uint64_t structure_version;
} auxo__evaluator;
auxo_status auxo__evaluator_init(auxo__evaluator *evaluator, auxo_model *model, const auxo_dataset *dataset,
                                 const auxo_train_options *options, auxo_error *error);
void auxo__evaluator_deinit(auxo__evaluator *evaluator);
/* Builds its plans if there are none or the model was resized. */
auxo_status auxo__evaluator_run(auxo__evaluator *evaluator, auxo_evaluation *evaluation, auxo_error *error);

/* ---- predict.c ---- */
/* Outputs (rows, outputs) of all rows, in batches, into host memory; the model's own units. */
auxo_status auxo__predict(auxo_model *model, const auxo__device_data *data,
                          const auxo__device_preprocessing *preprocessing, int64_t batch, bool softmax,
                          const auxo_plan_options *options, float *outputs, auxo_error *error);

/* ---- step_plan.c: one training step as a plan ---- */
auxo_status auxo__trainer_build_plans(auxo_trainer *trainer, auxo_error *error);
/* The lowest layer whose parameters are trained; the layer count: none. */
uint32_t auxo__trainer_lowest(const auxo_trainer *trainer);
/* The same where there are none, or they are of a structure that is gone; counted as set-up. */
auxo_status auxo__trainer_need_plans(auxo_trainer *trainer, auxo_error *error);
void auxo__trainer_drop_plans(auxo_trainer *trainer); /* of the whole team */
void auxo__trainer_drop_own_plans(auxo_trainer *trainer);
/* For a member of a team: loss and gradients of `rows` rows in each of `batches` batches, and of `rest` rows at the
 * end; no plan for 0 rows. Its `order` holds its rows one batch after the other. */
auxo_status auxo__trainer_build_part(auxo_trainer *member, int64_t batches, int64_t rows, int64_t rest,
                                     auxo_error *error);
/* Before steps: the 16-bit copies of the weights are right, where the steps rely on that. */
auxo_status auxo__trainer_refresh_copies(auxo_trainer *trainer, auxo_error *error);
/* What follows the gradients: hooks, update, counters. */
auxo_status auxo__trainer_build_update(auxo_trainer *trainer, auxo_error *error);

/* ---- prefix.c: what the frozen layers put out, for all rows ---- */
typedef struct auxo__prefix {
    uint64_t limit_bytes; /* 0: none is kept */
    uint32_t layer;       /* whose output it is; 0: there is none */
    auxo_buffer *rows;    /* f32 (rows, C, H W) */
    bool filled;          /* with the weights as they are */
    uint64_t structure_version;
} auxo__prefix;
/* Of the layers trained now: chosen when plans are built, filled before the next step. */
auxo_status auxo__prefix_choose(auxo_trainer *trainer, auxo_error *error);
auxo_status auxo__prefix_fill(auxo_trainer *trainer, auxo_error *error);
/* Appends the gathering of a batch from it. */
void auxo__prefix_add_input(const auxo_trainer *trainer, const auxo__batch *batch, auxo_plan *plan, auxo_tensor *input);
uint64_t auxo__prefix_bytes(const auxo_trainer *trainer);
void auxo__prefix_deinit(auxo__prefix *prefix);

/* ---- team.c: several devices, or ranks, that share each batch ---- */
typedef struct auxo__team auxo__team;
/* Sets trainer->team from options->helpers and cluster; also after a failure. */
auxo_status auxo__team_create(auxo_trainer *trainer, auxo_error *error);
void auxo__team_destroy(auxo__team *team);
void auxo__team_drop_plans(auxo__team *team); /* NULL is allowed */
auxo_status auxo__team_build_plans(auxo_trainer *trainer, auxo_error *error);
/* Before the first step and every epoch: the weights of rank 0 to all ranks. */
auxo_status auxo__team_begin(auxo_trainer *trainer, auxo_error *error);
/* The result on the validation rows: that of rank 0. */
auxo_status auxo__team_share_evaluation(auxo_trainer *trainer, auxo_evaluation *evaluation, auxo_error *error);
bool auxo__team_has_rows(const auxo__team *team, bool rest); /* whether this process has rows of such a batch */
/* Whether a step has ended in which a rank was asked to stop; the same on all of them. */
bool auxo__team_stopped(const auxo__team *team);
/* The permutation of an epoch, to each member its rows. */
auxo_status auxo__team_write_order(auxo_trainer *trainer, const uint32_t *order, auxo_error *error);
/* One step on the next batch (`rest`: the smaller one at the end of an epoch). */
auxo_status auxo__team_step(auxo_trainer *trainer, bool rest, float *loss, auxo_error *error);

/* ---- trainer.c and epoch.c, for teams ---- */
auxo_status auxo__trainer_create_buffers(auxo_trainer *trainer, auxo_error *error);
auxo_status auxo__trainer_copy_train_layers(auxo_trainer *trainer, const bool *train_layers, auxo_error *error);
/* The trainer's counters into the member's buffer (the trainer may be its own member). */
auxo_status auxo__trainer_write_counters(const auxo_trainer *trainer, auxo_trainer *member, auxo_error *error);
/* A batch of one row has no variance: a batch norm over features cannot train on it. */
bool auxo__model_needs_two_rows(const auxo_model *model);

struct auxo_trainer {
    auxo_model *model;
    auxo_optimizer *optimizer;
    auxo_train_options options; /* batch at most the number of rows; train_layers points at own copy */
    bool *train_layers;         /* train_layer_count entries, or NULL */
    uint32_t train_layer_count;
    uint32_t unit_layer, unit_begin, unit_end; /* of that layer only these units; unit_end 0: all */
    auxo__prefix prefix;

    auxo__device_data data;
    auxo__device_preprocessing preprocessing;
    auxo__evaluator *validation;           /* or NULL */
    auxo_buffer *counter;                  /* u32[8] */
    auxo_buffer *order;                    /* u32 (rows): this epoch's permutation */
    auxo_buffer *history;                  /* f32[AUXO__HISTORY_LENGTH] */
    auxo_buffer *stats;                    /* f32[4] */
    auxo_buffer *row_weights;              /* f32 (rows): of each row's class; NULL: none; borrowed */
    auxo_buffer *own_row_weights;          /* NULL: those of a stream, or none */
    double *class_weights;                 /* (class_count) of mean 1 over the rows; owned; NULL: none */
    auxo_buffer *clip_hyper, *clip_values; /* of gradient_shape.c; NULL: no clipping */
    auxo_buffer *loss_scale;               /* f32[AUXO_LOSS_SCALE_COUNT]; NULL: gradients are not scaled */
    auxo_plan *full, *remainder;           /* NULL until built; remainder NULL if batches fill the epoch */
    auxo_plan *update;                     /* of a team, whose full and remainder end with the gradients; else NULL */
    auxo_plan *narrowing;         /* makes the 16-bit copies of the weights that the steps keep; NULL: they do */
    bool copies_fresh;            /* nothing but steps has changed the weights since */
    auxo__norm_sync norm_sync[2]; /* of a team, in full and remainder */
    uint64_t part_seed;           /* of dropout and augmentation: other rows must not see the same numbers */
    auxo__team *team;             /* NULL: this device alone */
    uint64_t structure_version;   /* of the plans */

    /* progress */
    uint64_t step;           /* finished steps */
    uint32_t epoch;          /* finished epochs */
    uint64_t epoch_batch;    /* finished batches of the current epoch */
    uint64_t optimizer_time; /* updates since the optimiser's last reset */
    uint64_t reset_count;    /* of the optimiser when optimizer_time was last right */
    auxo__row_order row_order;
    uint32_t order_epoch; /* the epoch (1 for the first) whose permutation `order` holds; 0: none */
    double loss_sum;      /* over this epoch's rows */
    uint64_t row_sum;
    double right_sum; /* rows predicted right, as of the last time that the statistics were read */
    double seconds;   /* spent on this epoch's steps */
    bool braked;      /* within this epoch */
    auxo_trainer_work work;
    uint64_t chunk; /* steps to enqueue at once, from measured time */
};

/* ---- gradient_shape.c ---- */
/* Do nothing where the options ask for nothing. */
auxo_status auxo__trainer_init_row_weights(auxo_trainer *trainer, const auxo_dataset *train, const double *weights,
                                           auxo_error *error);
/* Weights by class (class_count) as the options ask for; NULL: for none. Ownership: free. */
auxo_status auxo__class_weights(const auxo_dataset *train, const auxo_train_options *options, double **weights,
                                auxo_error *error);
auxo_status auxo__trainer_init_clip(auxo_trainer *trainer, auxo_error *error);
void auxo__trainer_deinit_shape(auxo_trainer *trainer);
/* After the loss: its gradient by rows (size, outputs). */
void auxo__trainer_add_row_weights(const auxo_trainer *trainer, const auxo__batch *batch, auxo_plan *plan,
                                   const auxo_tensor *gradient);
/* Before the update. */
void auxo__trainer_add_clip(const auxo_trainer *trainer, auxo_plan *plan);

/* ---- loss_scale.c: do nothing unless the model runs in f16 ---- */
auxo_status auxo__trainer_init_loss_scale(auxo_trainer *trainer, auxo_error *error);
/* After the backward pass: gradients of weights without the scale, and whether the step is to be skipped. */
void auxo__trainer_add_unscale(const auxo_trainer *trainer, auxo_plan *plan);
auxo_tensor auxo__trainer_loss_scale(const auxo_trainer *trainer); /* f32[1]; absent: none */
/* Errors: NOT_FINITE, with the step, once gradients overflow at the least scale. */
auxo_status auxo__trainer_check_loss_scale(const auxo_trainer *trainer, auxo_error *error);
auxo_status auxo__trainer_write_loss_scale(const auxo_trainer *trainer, const float state[AUXO_LOSS_SCALE_COUNT],
                                           auxo_error *error);
auxo_status auxo__trainer_read_loss_scale(const auxo_trainer *trainer, float state[AUXO_LOSS_SCALE_COUNT],
                                          auxo_error *error);

/* ---- step_plan.c, for others ---- */
/* Runs of neighbouring trained weights: calls `visit` with each. */
typedef void auxo__range_function(void *user, uint64_t offset, uint64_t count);
void auxo__trainer_each_range(const auxo_trainer *trainer, auxo__range_function *visit, void *user);

/* ---- schedule.c ---- */
/* Sets the learning rate of the next step; does nothing under a constant schedule. */
auxo_status auxo__trainer_apply_schedule(auxo_trainer *trainer, auxo_error *error);
/* Steps from the next one on that share its learning rate; UINT64_MAX: all of the epoch. */
uint64_t auxo__trainer_steps_in_stage(const auxo_trainer *trainer);

/* ---- checkpoint.c, for snapshots ---- */
/* All counters, hyperparameters and braking memory as text; NULL when out of memory. Ownership: cJSON_free. */
char *auxo__trainer_print_state(auxo_trainer *trainer);
/* Errors: FORMAT: the text is of other options or data. */
auxo_status auxo__trainer_apply_state(auxo_trainer *trainer, const char *text, auxo_error *error);

/* What of the state, beside the model, lies in device memory; the optimiser's states come first. */
typedef struct auxo__device_part {
    const char *name;
    auxo_buffer *buffer;
    int64_t count; /* floats */
    bool optional; /* saved states need not have it */
} auxo__device_part;
enum { AUXO__PARTS_MAX = AUXO__OPTIMIZER_STATES_MAX + 4 };
/* Forgets a best point of a structure that is gone. */
size_t auxo__trainer_parts(const auxo_trainer *trainer, auxo__device_part parts[AUXO__PARTS_MAX]);

/* Rows of the batch after the full ones; 0 if there is none. */
int64_t auxo__trainer_remainder(const auxo_trainer *trainer);
/* What this rank takes of batches of the options' size out of `rows`; batch 0: one process alone. Errors:
 * INVALID_ARGUMENT: too few rows for so many ranks. */
auxo_status auxo__trainer_slice(const auxo_trainer *trainer, uint64_t rows, auxo__row_slice *slice, auxo_error *error);

/* Computes how the training set's channels, and its targets, are standardised, and keeps it with the model. */
auxo_status auxo__model_standardize(auxo_model *model, const auxo_dataset *train, bool targets, auxo_error *error);

#endif
