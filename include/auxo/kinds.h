/* auxo/kinds.h: the kinds that parameters of operations choose from; what each computes is said in ops.h.
 *
 * X(NAME, noun): the noun names the kind in files, messages and settings. Kernels of GPUs get the numbers from these
 * tables (shaders/contract.cmake), so that they stand nowhere else.
 */
#ifndef AUXO_KINDS_H
#define AUXO_KINDS_H

#ifdef __cplusplus
extern "C" {
#endif

/* f, with slope a. Derivatives are taken from y = f(x). */
#define AUXO_ACTIVATION_TABLE(X)                                                                                       \
    X(IDENTITY, identity)     /* x */                                                                                  \
    X(RELU, relu)             /* max(x, 0) */                                                                          \
    X(LEAKY_RELU, leaky_relu) /* x > 0 ? x : a x, a = slope in (0, 1) */                                               \
    X(ELU, elu)               /* x > 0 ? x : a (e^x - 1), a = slope > 0 */                                             \
    X(SELU, selu)             /* 1.0507009873554805 (x > 0 ? x : 1.6732632423543772 (e^x - 1)) */                      \
    X(SIGMOID, sigmoid)       /* 1 / (1 + e^-x) */                                                                     \
    X(TANH, tanh)             /* tanh x */

typedef enum auxo_activation {
#define AUXO_ACTIVATION_ENUM(name, noun) AUXO_ACTIVATION_##name,
    AUXO_ACTIVATION_TABLE(AUXO_ACTIVATION_ENUM)
#undef AUXO_ACTIVATION_ENUM
        AUXO_ACTIVATION_COUNT
} auxo_activation;

#define AUXO_POOL_TABLE(X)                                                                                             \
    X(MAX, max)                                                                                                        \
    X(AVERAGE, average)

typedef enum auxo_pool_kind {
#define AUXO_POOL_ENUM(name, noun) AUXO_POOL_##name,
    AUXO_POOL_TABLE(AUXO_POOL_ENUM)
#undef AUXO_POOL_ENUM
        AUXO_POOL_COUNT
} auxo_pool_kind;

#define AUXO_REDUCE_TABLE(X)                                                                                           \
    X(SUM, sum)                                                                                                        \
    X(MEAN, mean)                                                                                                      \
    X(MAX, max)                                                                                                        \
    X(MIN, min)                                                                                                        \
    X(SUM_ABS, sum_abs)                                                                                                \
    X(SUM_SQUARES, sum_squares)                                                                                        \
    X(MAX_ABS, max_abs)

typedef enum auxo_reduce_kind {
#define AUXO_REDUCE_ENUM(name, noun) AUXO_REDUCE_##name,
    AUXO_REDUCE_TABLE(AUXO_REDUCE_ENUM)
#undef AUXO_REDUCE_ENUM
        AUXO_REDUCE_COUNT
} auxo_reduce_kind;

typedef enum auxo_cox_ties { AUXO_COX_BRESLOW, AUXO_COX_EFRON } auxo_cox_ties;

/* What the sum over events is divided by: 1, n, the number of events; and the term of the domain. */
#define AUXO_COX_REDUCTION_TABLE(X)                                                                                    \
    X(SUM, sum)                                                                                                        \
    X(MEAN, mean)                                                                                                      \
    X(PER_EVENT, per_event)

typedef enum auxo_cox_reduction {
#define AUXO_COX_REDUCTION_ENUM(name, noun) AUXO_COX_##name,
    AUXO_COX_REDUCTION_TABLE(AUXO_COX_REDUCTION_ENUM)
#undef AUXO_COX_REDUCTION_ENUM
        AUXO_COX_REDUCTION_COUNT
} auxo_cox_reduction;

#define AUXO_COX_DOMAIN_TABLE(X)                                                                                       \
    X(NONE, none)                                                                                                      \
    X(AS_PRINTED, as_printed)                                                                                          \
    X(MEAN2, mean2)                                                                                                    \
    X(MEAN_SQ, mean_sq)

typedef enum auxo_cox_domain {
#define AUXO_COX_DOMAIN_ENUM(name, noun) AUXO_COX_DOMAIN_##name,
    AUXO_COX_DOMAIN_TABLE(AUXO_COX_DOMAIN_ENUM)
#undef AUXO_COX_DOMAIN_ENUM
        AUXO_COX_DOMAIN_COUNT
} auxo_cox_domain;

#define AUXO_NORM_TABLE(X)                                                                                             \
    X(L1, l1)                                                                                                          \
    X(L2, l2)                                                                                                          \
    X(LINF, linf)                                                                                                      \
    X(MEAN, mean)                                                                                                      \
    X(RMS, rms)                                                                                                        \
    X(WEIGHTED_L1, weighted_l1)

typedef enum auxo_norm_kind {
#define AUXO_NORM_ENUM(name, noun) AUXO_NORM_##name,
    AUXO_NORM_TABLE(AUXO_NORM_ENUM)
#undef AUXO_NORM_ENUM
        AUXO_NORM_COUNT
} auxo_norm_kind;

#define AUXO_PENALTY_TABLE(X)                                                                                          \
    X(L1, l1)                                                                                                          \
    X(WEIGHTED_L1, weighted_l1)                                                                                        \
    X(L2_SQUARED, l2_squared)                                                                                          \
    X(L21, l21)                                                                                                        \
    X(LINF1, linf1)

typedef enum auxo_penalty_kind {
#define AUXO_PENALTY_ENUM(name, noun) AUXO_PENALTY_##name,
    AUXO_PENALTY_TABLE(AUXO_PENALTY_ENUM)
#undef AUXO_PENALTY_ENUM
        AUXO_PENALTY_COUNT
} auxo_penalty_kind;

#define AUXO_RANDOM_TABLE(X)                                                                                           \
    X(UNIFORM, uniform)                                                                                                \
    X(NORMAL, normal)                                                                                                  \
    X(BERNOULLI, bernoulli)                                                                                            \
    X(BITS, bits)

typedef enum auxo_random_kind {
#define AUXO_RANDOM_ENUM(name, noun) AUXO_RANDOM_##name,
    AUXO_RANDOM_TABLE(AUXO_RANDOM_ENUM)
#undef AUXO_RANDOM_ENUM
        AUXO_RANDOM_COUNT
} auxo_random_kind;

/* X(NAME, noun, states, flops): arrays of state, each as large as the parameters; FLOPs for a parameter, without those
 * of weight decay. */
#define AUXO_OPTIMIZER_TABLE(X)                                                                                        \
    X(SGD, sgd, 0, 2)                                                                                                  \
    X(MOMENTUM, momentum, 1, 4)                                                                                        \
    X(NESTEROV, nesterov, 1, 6)                                                                                        \
    X(RMSPROP, rmsprop, 1, 9)                                                                                          \
    X(ADAGRAD, adagrad, 1, 7)                                                                                          \
    X(ADAM, adam, 2, 13)                                                                                               \
    X(ADAMW, adamw, 2, 15)                                                                                             \
    X(PHS, phs, 1, 6)

typedef enum auxo_optimizer_kind {
#define AUXO_OPTIMIZER_ENUM(name, noun, states, flops) AUXO_OPTIMIZER_##name,
    AUXO_OPTIMIZER_TABLE(AUXO_OPTIMIZER_ENUM)
#undef AUXO_OPTIMIZER_ENUM
        AUXO_OPTIMIZER_KIND_COUNT
} auxo_optimizer_kind;

static inline unsigned auxo_optimizer_state_count(auxo_optimizer_kind kind)
{
#define AUXO_OPTIMIZER_STATES(name, noun, states, flops) states,
    static const unsigned char counts[] = {AUXO_OPTIMIZER_TABLE(AUXO_OPTIMIZER_STATES)};
#undef AUXO_OPTIMIZER_STATES
    return counts[kind];
}

/* Places in the HYPER tensor of an optimiser step. */
#define AUXO_HYPER_TABLE(X)                                                                                            \
    X(LR, lr)       /* learning rate */                                                                                \
    X(BETA1, beta1) /* also mu, rho */                                                                                 \
    X(BETA2, beta2) /* of adam */                                                                                      \
    X(EPSILON, epsilon)                                                                                                \
    X(WEIGHT_DECAY, weight_decay)                                                                                      \
    X(MASS, mass)         /* of phs */                                                                                 \
    X(FRICTION, friction) /* of phs */
enum {
#define AUXO_HYPER_ENUM(name, noun) AUXO_HYPER_##name,
    AUXO_HYPER_TABLE(AUXO_HYPER_ENUM)
#undef AUXO_HYPER_ENUM
        AUXO_HYPER_COUNT = 8
};

/* Positions in the state of a loss scale. */
#define AUXO_LOSS_SCALE_TABLE(X)                                                                                       \
    X(FACTOR, factor)       /* what gradients are multiplied by */                                                     \
    X(INVERSE, inverse)     /* of the factor of this step's gradients */                                               \
    X(SKIP, skip)           /* 1: a gradient of this step is not finite */                                             \
    X(GOOD, good)           /* steps since the factor changed */                                                       \
    X(SKIPPED, skipped)     /* steps so far */                                                                         \
    X(EXHAUSTED, exhausted) /* the first step that was not finite with the least factor; 0: none */
enum {
#define AUXO_LOSS_SCALE_ENUM(name, noun) AUXO_LOSS_SCALE_##name,
    AUXO_LOSS_SCALE_TABLE(AUXO_LOSS_SCALE_ENUM)
#undef AUXO_LOSS_SCALE_ENUM
        AUXO_LOSS_SCALE_COUNT = 8
};

#ifdef __cplusplus
}
#endif
#endif
