/* auxo/train.h: optimisers, losses, the trainer, and checkpoints.
 *
 * A trainer binds a model, data sets on the device, a loss and an optimiser, and runs steps whose whole work (batch
 * gather, augmentation, forward, loss, backward, penalties, update, counters) is one plan. The host writes nothing
 * between the steps of an epoch. Same seed, same device: the same bits.
 */
#ifndef AUXO_TRAIN_H
#define AUXO_TRAIN_H

#include "auxo/cluster.h"
#include "auxo/data.h"
#include "auxo/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- optimisers -------------------------------------------------------------------------------------------------- */
typedef enum auxo_goal_kind {
    AUXO_GOAL_NONE,
    AUXO_GOAL_ABSOLUTE,
    AUXO_GOAL_REDUCTION,
    AUXO_GOAL_REMAINING
} auxo_goal_kind;
typedef enum auxo_watch_kind { AUXO_WATCH_BATCH, AUXO_WATCH_EMA, AUXO_WATCH_EPOCH } auxo_watch_kind;

/* Port-Hamiltonian goal braking (J. Burghoff, M. H. Monells, H. Gottschalk, "Who breaks early, looses: goal oriented
 * training of deep neural networks based on port Hamiltonian dynamics", 2023): friction is multiplied by `brake` once,
 * when the watched loss first reaches the goal. */
typedef struct auxo_braking {
    auxo_goal_kind goal;
    double goal_value; /* absolute loss; or fraction of the initial loss removed (reduction) or left (remaining) */
    auxo_watch_kind watch;
    double ema_decay;          /* watch = ema; 0.98 */
    double brake;              /* factor on friction; 10 */
    double goal_after;         /* > 0: a goal that is reached becomes this part of itself, and the brake works again
                                  whenever the new one is reached, as long as friction stays stable */
    uint32_t stall_epochs;     /* > 0: fall back to the best parameters after so many epochs without a better loss */
    double reaccelerate;       /* > 0: divide friction by this after a stall */
    bool brake_on_overfitting; /* also brake when validation loss rises while training loss falls */
} auxo_braking;

typedef struct auxo_optimizer_config {
    auxo_optimizer_kind kind;
    float hyper[AUXO_HYPER_COUNT]; /* by AUXO_HYPER_*; kind's defaults where not given */
    bool explicit_euler, exponential_friction;
    auxo_braking braking;
} auxo_optimizer_config;

/* Parses "adam", "momentum:lr=0.05,momentum=0.9", "phs:mass=1,friction=0.5,goal=0.4,brake=10". Errors name the key and
 * the nearest valid one; unstable port-Hamiltonian settings under linear friction are refused with the reason. */
AUXO_API auxo_status auxo_optimizer_config_parse(const char *text, auxo_optimizer_config *config, auxo_error *error);
/* The same as text that parse accepts. */
AUXO_API void auxo_optimizer_config_format(const auxo_optimizer_config *config, char *text, size_t size);

typedef struct auxo_optimizer auxo_optimizer;

/* State buffers have the layout of the model's weights and start at 0. */
AUXO_API auxo_status auxo_optimizer_create(auxo_model *model, const auxo_optimizer_config *config,
                                           auxo_optimizer **optimizer, auxo_error *error);
AUXO_API void auxo_optimizer_destroy(auxo_optimizer *optimizer);
AUXO_API const auxo_optimizer_config *auxo_optimizer_get_config(const auxo_optimizer *optimizer);
/* Appends the update of weights [offset, offset + count) to a plan. */
AUXO_API void auxo_optimizer_add_step(auxo_optimizer *optimizer, auxo_plan *plan, uint64_t offset, uint64_t count,
                                      const auxo_tensor *counter);
/* Changes one hyperparameter (AUXO_HYPER_*) on the device, in queue order; plans stay valid. */
AUXO_API auxo_status auxo_optimizer_set_hyper(auxo_optimizer *optimizer, int hyper, float value, auxo_error *error);
AUXO_API float auxo_optimizer_get_hyper(const auxo_optimizer *optimizer, int hyper);
AUXO_API auxo_tensor auxo_optimizer_hyper_tensor(const auxo_optimizer *optimizer);
/* Its state buffers, to be passed to auxo_model_resize; plans that use them are stale afterwards. */
AUXO_API auxo_carried_state auxo_optimizer_carried_state(auxo_optimizer *optimizer);
/* Zeroes the state (after a resize with state not carried, sizes follow the model). */
AUXO_API auxo_status auxo_optimizer_reset(auxo_optimizer *optimizer, auxo_error *error);
/* Tells the optimiser a loss (per batch or per epoch, with the validation loss or NaN): drives goal braking.
 * *braked: whether the brake fired now. */
AUXO_API auxo_status auxo_optimizer_observe(auxo_optimizer *optimizer, auxo_watch_kind level, double train_loss,
                                            double validation_loss, bool *braked, auxo_error *error);
/* What braking remembers, for callers that keep checkpoints of an optimiser without a trainer. A fallback after a stall
 * needs the best parameters too, and those are not in it. */
typedef struct auxo_brake_memory {
    bool fired, has_initial, has_ema;
    double initial_loss; /* the first loss observed */
    double ema;
    float friction; /* in force: times brake once fired */
    double target;  /* the next loss to brake at, after the first; 0: none */
} auxo_brake_memory;
AUXO_API auxo_brake_memory auxo_optimizer_get_brake(const auxo_optimizer *optimizer);
/* Errors: INVALID_ARGUMENT if that friction is unstable. */
AUXO_API auxo_status auxo_optimizer_set_brake(auxo_optimizer *optimizer, const auxo_brake_memory *memory,
                                              auxo_error *error);
/* Kinetic energy |p|^2 / (2 m) of a port-Hamiltonian optimiser, computed on the device; 0 for others. */
AUXO_API auxo_status auxo_optimizer_kinetic_energy(auxo_optimizer *optimizer, double *energy, auxo_error *error);

/* ---- learning-rate schedules ------------------------------------------------------------------------------------- */
typedef enum auxo_lr_schedule_kind {
    AUXO_LR_CONSTANT,
    AUXO_LR_LINEAR,
    AUXO_LR_COSINE,
    AUXO_LR_STEP
} auxo_lr_schedule_kind;

enum { AUXO_LR_WARMUP_STAGES = 64 }; /* per epoch */

/* The learning rate rises over the first warmup_epochs in AUXO_LR_WARMUP_STAGES equal stages an epoch (Goyal et al.
 * 2017). It is constant before begin_epoch (0 for the first), then falls from epoch to epoch: linearly or as half a
 * cosine, so that it would be 0 at end_epoch (runs that go on keep the last epoch's rate), or by a factor 0.1 every
 * step_epochs. Zeroed: constant. */
typedef struct auxo_lr_schedule {
    auxo_lr_schedule_kind kind;
    uint32_t begin_epoch, end_epoch;
    uint32_t step_epochs;
    uint32_t warmup_epochs;
} auxo_lr_schedule;

/* Factor on the learning rate in stage `stage` (0 .. AUXO_LR_WARMUP_STAGES - 1) of epoch `epoch` (0 for the first); in
 * (0, 1]. */
AUXO_API double auxo_lr_schedule_factor(const auxo_lr_schedule *schedule, uint32_t epoch, uint32_t stage);
/* Parses "constant", "linear", "cosine" or "step:EPOCHS"; no warm-up. Errors: INVALID_ARGUMENT names what it is not, or
 * that linear and cosine need end_epoch > begin_epoch. */
AUXO_API auxo_status auxo_lr_schedule_parse(const char *text, uint32_t begin_epoch, uint32_t end_epoch,
                                            auxo_lr_schedule *schedule, auxo_error *error);

/* ---- trainer ------------------------------------------------------------------------------------------------------
 */
typedef enum auxo_loss_kind { AUXO_LOSS_CROSS_ENTROPY, AUXO_LOSS_MSE, AUXO_LOSS_COX } auxo_loss_kind;

typedef struct auxo_augmentation {
    bool enabled, flip;
    int32_t max_shift_h, max_shift_w; /* pixels */
} auxo_augmentation;

typedef struct auxo_epoch_metrics {
    uint32_t epoch;                              /* 1 for the first */
    uint64_t step;                               /* after this epoch */
    double train_loss, train_accuracy;           /* over the epoch's batches while training; accuracy NaN if none */
    double validation_loss, validation_accuracy; /* NaN without a validation set */
    double seconds, samples_per_second;          /* training part */
    double kinetic_energy;                       /* phs; else 0 */
    float lr;
    bool braked;
    uint64_t skipped_steps; /* f16: of the whole run, whose gradients were not finite */
    float loss_scale;       /* f16: what gradients are multiplied by; else 0 */
} auxo_epoch_metrics;

typedef struct auxo_step_metrics {
    uint64_t step; /* 1 for the first */
    uint32_t epoch;
    uint64_t steps_per_epoch;
    double loss;
} auxo_step_metrics;

typedef struct auxo_evaluation {
    double loss, accuracy; /* accuracy NaN where there is none */
    size_t row_count;
} auxo_evaluation;

/* Appends ops to the training plan: before_step after the backward pass (penalties on gradients), after_step after the
 * update (proximal steps). Called again whenever the plan is rebuilt. What it cannot do it says by auxo_plan_fail. */
typedef void auxo_plan_hook(void *user, auxo_model *model, auxo_optimizer *optimizer, auxo_plan *plan);

/* Whether the rows lie on the device, or come batch by batch while it works. */
typedef enum auxo_stream_mode {
    AUXO_STREAM_AUTO, /* they lie there if they fit: see stream_limit_bytes */
    AUXO_STREAM_ALWAYS,
    AUXO_STREAM_NEVER
} auxo_stream_mode;

/* In which order an epoch visits its rows, by the seed. It does not depend on where the rows lie. */
typedef enum auxo_shuffle_kind {
    AUXO_SHUFFLE_AUTO,  /* ROWS; SHARDS for mapped sets of more than 2^20 rows or 1 GiB */
    AUXO_SHUFFLE_ROWS,  /* any row after any other; takes 4 bytes a row */
    AUXO_SHUFFLE_SHARDS /* shards of neighbouring rows in any order, and the rows of every 16 shards in any order */
} auxo_shuffle_kind;

typedef struct auxo_train_options {
    auxo_loss_kind loss;
    auxo_cox_params cox; /* loss = cox */
    uint32_t batch;      /* 0: 128 */
    auxo_optimizer_config optimizer;
    auxo_lr_schedule schedule;
    uint64_t seed; /* shuffling, dropout, augmentation */
    /* Set on the model, which keeps it. F16 scales the loss: gradients that are not finite skip the step and halve the
     * scale, and where that cannot fall any more the run ends with NOT_FINITE. */
    auxo_precision precision;
    auxo_augmentation augmentation;
    bool standardize; /* inputs (and real targets) by the training set's channel statistics; stored with the model */
    bool profile, allow_host_fallback;
    const bool *train_layers; /* per layer; NULL: all; copied */
    auxo_plan_hook *before_step, *after_step;
    void *hook_user;
    /* Rows count by their class in gradients. Reported losses, of training, validation and test alike, count every row
     * the same, so that they compare with those of other weights. */
    bool balance_classes;        /* every class as much as any other */
    const float *class_weights;  /* (class_count), brought to mean 1 over the rows; used until the trainer is made */
    auxo_stream_mode stream;     /* not for the Cox loss, nor with helpers */
    uint64_t stream_limit_bytes; /* AUTO: rows of more bytes are streamed. 0: half of the device's memory; and 32 MiB
                                  * for mapped sets where that memory is the host's own (device type CPU) */
    auxo_shuffle_kind shuffle;
    float gradient_clip; /* all gradients are scaled so that their common norm is at most this; 0: never */
    uint32_t log_every;  /* steps between on_step calls, which must not change the model; 0: never */
    void (*on_step)(void *user, const auxo_step_metrics *metrics);
    void *on_step_user;
    const volatile int *stop; /* != 0: finish the step, return INTERRUPTED; may be NULL */
    /* Further devices that take some rows of every batch; open until the trainer is destroyed. Gradients are averaged
     * by rows, so that losses and weights are those of one device up to rounding, but for what looks at the whole
     * batch (batch norm sees its device's rows; dropout and augmentation draw other numbers). Not for the Cox loss. */
    auxo_device *const *helpers;
    size_t helper_count;
    const uint32_t *shares; /* rows of a batch for the model's device and each helper; NULL: by measured speed */
    /* The ranks of a job that train together, each with its even part of every batch, on the same data set and options;
     * instead of helpers, whose rules apply. Weights are those of rank 0, and stay the same on all; so do losses. Open
     * until the trainer is destroyed; NULL: this process alone. Streamed rows: each rank reads its own alone. */
    auxo_cluster *cluster;
    /* With helpers or a cluster: batch norm sees the rows of the whole batch. */
    bool sync_batch_norm;
} auxo_train_options;

typedef struct auxo_trainer auxo_trainer;

/* `train` and `validation` (may be NULL) are borrowed and uploaded; the model is borrowed. Preprocessing stored with
 * the model is applied; without any, options->standardize computes and stores it. An epoch visits every row once (a
 * last batch of one row is left out when the model has batch norm over features, which cannot train on it). */
AUXO_API auxo_status auxo_trainer_create(auxo_model *model, const auxo_dataset *train, const auxo_dataset *validation,
                                         const auxo_train_options *options, auxo_trainer **trainer, auxo_error *error);
AUXO_API void auxo_trainer_destroy(auxo_trainer *trainer);
AUXO_API auxo_optimizer *auxo_trainer_optimizer(auxo_trainer *trainer);
AUXO_API auxo_model *auxo_trainer_model(auxo_trainer *trainer);
/* Trains to the end of the current epoch, or at most max_steps (0: no limit) steps of it; validates at its end.
 * *finished_epoch tells whether the epoch ended (metrics are then filled in). Rebuilds plans after a resize.
 * Errors: NOT_FINITE says at which step the loss became NaN or infinite; INTERRUPTED; DEVICE_LOST. */
AUXO_API auxo_status auxo_trainer_run(auxo_trainer *trainer, uint64_t max_steps, bool *finished_epoch,
                                      auxo_epoch_metrics *metrics, auxo_error *error);
AUXO_API uint64_t auxo_trainer_step(const auxo_trainer *trainer);
AUXO_API uint32_t auxo_trainer_epoch(const auxo_trainer *trainer); /* finished epochs */
/* Rows of a batch that each device takes: fills up to capacity, returns the number of devices. 0 where the first step
 * has not measured them yet. */
AUXO_API size_t auxo_trainer_shares(const auxo_trainer *trainer, uint32_t *rows, size_t capacity);
/* Sets them instead of measuring, from the next step on: for a run that must repeat another one's numbers.
 * Errors: INVALID_ARGUMENT if they are too few rows or not a batch together. */
AUXO_API auxo_status auxo_trainer_set_shares(auxo_trainer *trainer, const uint32_t *rows, size_t count,
                                             auxo_error *error);
AUXO_API uint64_t auxo_trainer_steps_per_epoch(const auxo_trainer *trainer);
/* What a trainer has done since it was created (a restored part does not count). */
typedef struct auxo_trainer_work {
    uint64_t rows;          /* trained on, each as often as it was */
    double seconds;         /* of the steps alone */
    double setup_seconds;   /* building and compiling plans */
    double rows_per_second; /* rows / seconds; 0 before the first step */
} auxo_trainer_work;
AUXO_API auxo_trainer_work auxo_trainer_get_work(const auxo_trainer *trainer);
/* Evaluates on any data set of the same shape, in inference mode. */
AUXO_API auxo_status auxo_trainer_evaluate(auxo_trainer *trainer, const auxo_dataset *dataset,
                                           auxo_evaluation *evaluation, auxo_error *error);
/* Changes which layers are trained (per layer; NULL: all; copied). Needed after a restructure if some were frozen. */
AUXO_API auxo_status auxo_trainer_set_train_layers(auxo_trainer *trainer, const bool *train_layers, auxo_error *error);
/* Of one dense or conv2d layer that is trained, only units [begin, end): their rows of the weight and their biases; the
 * others, and their optimiser state, stay to the bit (Zhang et al. 2023, sec. 4.1). end 0: all of every layer. Errors:
 * INVALID_ARGUMENT: no such units. */
AUXO_API auxo_status auxo_trainer_set_train_units(auxo_trainer *trainer, uint32_t layer, uint32_t begin, uint32_t end,
                                                  auxo_error *error);
/* While the lowest layers are frozen, what they put out is computed once for all rows and kept on the device, if that
 * takes at most limit_bytes; 0, as at first: never. Steps have the same results; it pays where rows are seen more than
 * once before other layers are chosen. Not where rows are augmented, streamed or shared by devices, and not past a
 * dropout. After weights were written from outside, call auxo_trainer_invalidate. */
AUXO_API void auxo_trainer_keep_prefix(auxo_trainer *trainer, uint64_t limit_bytes);
/* Has the plans rebuilt before the next step, hooks called again: after something that they add has changed. */
AUXO_API void auxo_trainer_invalidate(auxo_trainer *trainer);
/* The training plan (for profiles, FLOPs, --explain); valid until the next resize. */
AUXO_API const auxo_plan *auxo_trainer_plan(const auxo_trainer *trainer);

/* ---- snapshots --------------------------------------------------------------------------------------------------- */
/* A moment of a training, kept in device memory: structure, weights, statistics, optimiser state and hyperparameters,
 * braking memory, counters, the choice of trained layers. What a plan hook remembers is the hook's own affair. */
typedef struct auxo_snapshot auxo_snapshot;
/* Ownership: the caller's; may outlive any number of resizes, not the trainer's device. Errors: UNSUPPORTED with
 * helpers; OUT_OF_DEVICE_MEMORY. */
AUXO_API auxo_status auxo_snapshot_take(auxo_trainer *trainer, auxo_snapshot **snapshot, auxo_error *error);
/* Back to that moment, bit for bit, whatever has been trained or resized since; any number of times. The structure
 * version moves on where the structure changes. On failure the trainer is not to be used further. */
AUXO_API auxo_status auxo_snapshot_restore(const auxo_snapshot *snapshot, auxo_trainer *trainer, auxo_error *error);
AUXO_API uint64_t auxo_snapshot_bytes(const auxo_snapshot *snapshot); /* of device memory */
AUXO_API void auxo_snapshot_destroy(auxo_snapshot *snapshot);         /* NULL is allowed */

/* ---- moments ----------------------------------------------------------------------------------------------------- */
/* What an optimiser has gathered (moments, velocities), apart from its trainer: a training goes on with it in another
 * trainer, also of another batch size or learning rate, and after the model was resized. */
typedef struct auxo_moments auxo_moments;
/* A copy of what the trainer's optimiser has now. Ownership: the caller's; not to outlive the model. */
AUXO_API auxo_status auxo_moments_take(auxo_trainer *trainer, auxo_moments **moments, auxo_error *error);
/* Into a trainer before it goes on, as if its optimiser had made those updates itself (bias correction included).
 * Errors: INVALID_ARGUMENT: another kind of optimiser, or a model of another size. */
AUXO_API auxo_status auxo_moments_give(const auxo_moments *moments, auxo_trainer *trainer, auxo_error *error);
/* A copy for a clone of the model. */
AUXO_API auxo_status auxo_moments_clone(const auxo_moments *moments, auxo_model *model, auxo_moments **copy,
                                        auxo_error *error);
/* To be passed to auxo_model_resize or auxo_model_restructure of their model. */
AUXO_API auxo_carried_state auxo_moments_carried_state(auxo_moments *moments);
AUXO_API uint64_t auxo_moments_time(const auxo_moments *moments); /* updates that they have seen */
AUXO_API void auxo_moments_destroy(auxo_moments *moments);        /* NULL is allowed */

/* Fails (INVALID_ARGUMENT, with both shapes) unless the model reads rows of this data set and has its outputs. */
AUXO_API auxo_status auxo_model_check_data(const auxo_model *model, const auxo_dataset *dataset, auxo_error *error);
/* Outputs of a model for all rows of a data set: outputs (row_count, output features), host memory of the caller.
 * softmax: apply it. Standardisation stored with the model is applied. */
AUXO_API auxo_status auxo_model_predict(auxo_model *model, const auxo_dataset *dataset, uint32_t batch, bool softmax,
                                        float *outputs, auxo_error *error);
/* The same, batch after batch: outputs (count, output features) of rows first .. first + count, borrowed for the call.
 * What the function returns other than OK ends the prediction. */
typedef auxo_status auxo_outputs_function(void *user, size_t first, size_t count, const float *outputs,
                                          auxo_error *error);
AUXO_API auxo_status auxo_model_predict_each(auxo_model *model, const auxo_dataset *dataset, uint32_t batch,
                                             bool softmax, auxo_outputs_function *function, void *user,
                                             auxo_error *error);

/* ---- files ----------------------------------------------------------------------------------------------------------
 */
/* Weights, statistics and description as one safetensors file (description and preprocessing as JSON in its metadata),
 * written to a temporary file, synced and renamed. */
AUXO_API auxo_status auxo_model_save(auxo_model *model, const char *path, auxo_error *error);
/* Whether a name that may be of a network or of a file is a saved model's: it ends in .safetensors, or there is such a
 * file, whatever it is called. */
AUXO_API bool auxo_model_names_file(const char *name);
/* The description of a saved model, finished; its weights are not read. */
AUXO_API auxo_status auxo_model_file_desc(const char *path, auxo_model_desc *desc, auxo_error *error);
/* What the model knows of its data, usually auxo_dataset_schema(train); kept by save and load, by clones and through
 * resizes. NULL: nothing. */
AUXO_API auxo_status auxo_model_set_data_schema(auxo_model *model, const auxo_data_schema *schema, auxo_error *error);
/* *schema: a new copy, which the caller destroys; NULL if the model knows nothing of its data. */
AUXO_API auxo_status auxo_model_data_schema(const auxo_model *model, auxo_data_schema **schema, auxo_error *error);
/* The same of a saved model, whose weights are not read. */
AUXO_API auxo_status auxo_model_file_schema(const char *path, auxo_data_schema **schema, auxo_error *error);
AUXO_API auxo_status auxo_model_load(auxo_device *device, const char *path, auxo_model **model, auxo_error *error);

/* Weights of other tools. */
typedef struct auxo_import_options {
    const char *rules; /* JSON object: names of layers in the file to names in the model, {x} standing for a number,
                          on the right also {x+1}; NULL: the model's own names or those of torchvision's resnet
                          and vgg16, whichever finds most */
    const char *const *reset; /* layers of the model that keep what they have: a new head */
    size_t reset_count;
} auxo_import_options;
typedef struct auxo_import_result {
    size_t matched, ignored; /* tensors: taken; of reset layers, or num_batches_tracked */
    char rules[48];          /* whose names they were */
} auxo_import_result;
/* Fills a model's parameters from a safetensors file (F32, F64, F16, BF16; layouts are PyTorch's). options, result may
 * be NULL. On failure the model is unchanged. Errors: FORMAT names tensors without a place, parameters without a
 * tensor, or two shapes that differ; NOT_FOUND: a reset layer that is none. */
AUXO_API auxo_status auxo_model_import(auxo_model *model, const char *path, const auxo_import_options *options,
                                       auxo_import_result *result, auxo_error *error);

/* Full training state as one safetensors file, replaced by one rename: the model under its own names (PATH is a model
 * file, too), optimiser state and counters below "training/", and a checksum over all of it. extra (may be NULL): a
 * text of the caller's, kept with it. */
AUXO_API auxo_status auxo_trainer_save(auxo_trainer *trainer, const char *path, const char *extra, auxo_error *error);
/* Restores into a trainer created with the same options and data on a model loaded from PATH. *extra (may be NULL) is
 * malloc'ed. Errors: FORMAT names the field that does not match, or says that bytes have changed. */
AUXO_API auxo_status auxo_trainer_restore(auxo_trainer *trainer, const char *path, char **extra, auxo_error *error);

#ifdef __cplusplus
}
#endif
#endif
