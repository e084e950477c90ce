/* push.h: the push constants of every shader, behind `uint at[bindings]` (vk_program.h): read by GLSL and by C, so that
 * a field stands once. Only scalars, `divider`s and arrays of them: both languages lay those out alike.
 */
#ifndef PUSH_H
#define PUSH_H

/* Not a push constant, but shared all the same: elements of an invocation of an elementwise shader. */
#define FLAT_ELEMENTS 4u

#define ACTIVATION_PUSH                                                                                                \
    uint count;                                                                                                        \
    float slope;

#define ADD_PUSH                                                                                                       \
    uint count;                                                                                                        \
    float alpha, beta;

#define ARGSORT_PUSH                                                                                                   \
    uint n;                                                                                                            \
    uint descending;                                                                                                   \
    uint run, distance;                                                                                                \
    uint last; /* this pass ends the sort */

#define AUGMENT_PUSH                                                                                                   \
    uint count;                                                                                                        \
    divider channels, height, width;                                                                                   \
    uint max_shift_h, max_shift_w;                                                                                     \
    uint flip;                                                                                                         \
    uint seed_low, seed_high, stream;                                                                                  \
    uint has_counter;

#define BATCH_NORM_BACKWARD_PUSH                                                                                       \
    uint channels;                                                                                                     \
    divider inner;                                                                                                     \
    uint terms;

#define BATCH_NORM_FORWARD_PUSH                                                                                        \
    uint channels;                                                                                                     \
    divider inner;                                                                                                     \
    uint terms; /* terms = outer * inner */                                                                            \
    float epsilon, momentum, slope;

#define BATCH_NORM_FORWARD_SPLIT_PUSH float epsilon, momentum, slope;

#define BATCH_NORM_SPLIT_PUSH                                                                                          \
    uint channels;                                                                                                     \
    divider inner;                                                                                                     \
    uint terms, parts, part_terms;

#define BIAS_ADD_PUSH                                                                                                  \
    uint count;                                                                                                        \
    uint first; /* of this dispatch, modulo channels * inner */                                                        \
    divider channels, inner;                                                                                           \
    float slope;

#define CONV2D_PUSH                                                                                                    \
    int images, channels, height, width, filters, out_height, out_width, window_h, window_w;                           \
    int group_channels, group_filters, groups;                                                                         \
    int stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;                                                      \
    uint tiles_m, tiles_n, splits;                                                                                     \
    int split_length; /* images (DIRECT) or terms (tiled) */                                                           \
    float slope;

#define CONV2D_WINOGRAD_TILES_PUSH                                                                                     \
    uint channels;                                                                                                     \
    int height, width; /* of the source or of the target */                                                            \
    divider tiles_h, tiles_w, pitch;                                                                                   \
    uint first, end;                                                                                                   \
    int pad_h, pad_w;                                                                                                  \
    float slope;

#define CONV2D_WINOGRAD_WEIGHTS_PUSH uint pairs;

#define COPY_PUSH                                                                                                      \
    uint count;                                                                                                        \
    divider dims[3]; /* of the three inner dimensions */                                                               \
    int x_strides[4], y_strides[4];                                                                                    \
    float scale;

#define COUNTER_ADD_PUSH uint increments[4];

#define COX_CARRY_PUSH                                                                                                 \
    uint n, block_count;                                                                                               \
    float domain_strength;

#define COX_PUSH                                                                                                       \
    uint n, run, block_count;                                                                                          \
    float domain_strength; /* of cox_gradient; the others do not look */

#define DROPOUT_PUSH                                                                                                   \
    uint count;                                                                                                        \
    uint block_low, block_high; /* of the first element */                                                             \
    uint seed_low, seed_high, stream;                                                                                  \
    uint has_counter;                                                                                                  \
    float rate;

#define FILL_PUSH                                                                                                      \
    uint word_count;                                                                                                   \
    uint pattern;   /* the value repeated to fill a word */                                                            \
    uint head_mask; /* the bytes of the first word that belong to Y */                                                 \
    uint tail_mask; /* of the last */

#define GATHER_BATCH_PUSH                                                                                              \
    uint count, first; /* of Y's elements in this dispatch */                                                          \
    uint batch;                                                                                                        \
    divider row_elements, inner;                                                                                       \
    uint n; /* positions: the length of ORDER or of DATA */                                                            \
    uint row_begin, row_end;                                                                                           \
    uint has_order, has_counter, has_mean, has_invstd;                                                                 \
    float scale;

#define GEMM_FINISH_PUSH                                                                                               \
    uint count, parts; /* M * N */                                                                                     \
    divider columns;   /* N */                                                                                         \
    uint c_stride;     /* of rows */                                                                                   \
    float alpha, beta, slope;

#define GEMM_PUSH                                                                                                      \
    uint m, n, k;                                                                                                      \
    uint a_stride, b_stride, c_stride;                   /* of rows */                                                 \
    uint a_batch_stride, b_batch_stride, c_batch_stride; /* of matrices */                                             \
    uint batches, tiles_m, tiles_n;                                                                                    \
    float alpha, beta, slope;

#define GROUP_NORM_PUSH                                                                                                \
    uint groups, size;                                                                                                 \
    uint has_bias;

#define INDEX_SELECT_PUSH                                                                                              \
    uint count, first; /* of Y within these outer slices */                                                            \
    divider selected, inner;                                                                                           \
    uint axis, axis_begin, axis_end;                                                                                   \
    uint fill, writes_fill;

#define KEPT_SCAN_PUSH                                                                                                 \
    uint n;                                                                                                            \
    float threshold;                                                                                                   \
    uint min_keep;

#define LOSS_ENDING_PUSH                                                                                               \
    uint has_stats, history_length, has_counter;                                                                       \
    float rows;

#define LOSS_FINISH_PUSH                                                                                               \
    uint losses, parts; /* partial (losses, parts) */                                                                  \
    float divisor_hi, divisor_lo;

#define MLP_FORWARD_PUSH                                                                                               \
    uint rows, begin_layer, end_layer, has_bias;                                                                       \
    float slope;

#define MLP_GRADIENT_PUSH                                                                                              \
    uint rows, workgroups, begin_layer, layer_count, train_begin, train_end, has_bias;                                 \
    uint unit_count, trained_first, trained_count;                                                                     \
    float slope;

#define MLP_HVP_PUSH                                                                                                   \
    uint rows, walks, directions, begin_layer, layer_count, has_bias;                                                  \
    uint unit_count, param_count;                                                                                      \
    float slope;

#define MSE_PUSH uint count, stride; /* stride: invocations of all workgroups */

#define MULTIPLY_ADD_PUSH                                                                                              \
    uint count;                                                                                                        \
    float a;                                                                                                           \
    float b;                                                                                                           \
    uint rounds;

#define LOSS_SCALE_PUSH                                                                                                \
    uint count, has_counter, interval;                                                                                 \
    float least, most;

#define OPTIMIZER_STEP_PUSH                                                                                            \
    uint count;                                                                                                        \
    uint has_counter, has_skip;

#define PENALTY_FINISH_PUSH uint groups;

#define PENALTY_PUSH                                                                                                   \
    uint groups, size;                                                                                                 \
    uint has_bias, has_dbias, has_coef;                                                                                \
    float strength;

#define POOL2D_PUSH                                                                                                    \
    uint count;                                                                                                        \
    divider height, width, out_height, out_width, stride_h, stride_w;                                                  \
    int window_h, window_w, pad_h, pad_w;

#define RANDOM_FILL_PUSH                                                                                               \
    uint count;                                                                                                        \
    uint block_low, block_high; /* of the first element */                                                             \
    uint seed_low, seed_high, stream;                                                                                  \
    uint has_counter;                                                                                                  \
    float a, b;

#define REDUCE_FINISH_PUSH                                                                                             \
    uint channels, parts;                                                                                              \
    float count;

#define REDUCE_PUSH                                                                                                    \
    uint channels;                                                                                                     \
    divider inner;                                                                                                     \
    uint terms; /* of the box: outer * inner */                                                                        \
    uint outer_stride, channel_stride;                                                                                 \
    uint part_count, part_terms;                                                                                       \
    uint first_part, first_channel, all_channels; /* where the results go */                                           \
    float count;                                  /* of all terms, for the mean */

#define SEGMENT_REDUCE_PUSH uint segments;

#define SOFTMAX_PUSH uint rows, classes;

#define THETA_EVAL_PUSH                                                                                                \
    uint rows, masks, walks, begin_layer, layer_count, has_bias;                                                       \
    uint theta_groups, begin_units; /* units of layers 1..begin_layer */                                               \
    float slope;

#endif
