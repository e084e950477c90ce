/* optimizer_config.c: optimiser settings as text, both ways, with their defaults, ranges and the stability rule.
 *
 * "kind" or "kind:key=value,key=value". Port-Hamiltonian settings after Bajaj et al. 2021 (thesis chapter 3): under
 * linear friction the momentum factor is 1 - lr friction / mass, so lr friction / mass must stay below 2, after braking
 * too.
 */
#include "number.h"
#include "optimizer_internal.h"
#include "text.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_nouns[AUXO_OPTIMIZER_KIND_COUNT] = {
#define KIND_NOUN(name, noun, states, flops) #noun,
    AUXO_OPTIMIZER_TABLE(KIND_NOUN)
#undef KIND_NOUN
};

enum {
    SGD = 1 << AUXO_OPTIMIZER_SGD,
    HEAVY = 1 << AUXO_OPTIMIZER_MOMENTUM | 1 << AUXO_OPTIMIZER_NESTEROV,
    RMSPROP = 1 << AUXO_OPTIMIZER_RMSPROP,
    ADAGRAD = 1 << AUXO_OPTIMIZER_ADAGRAD,
    ADAMS = 1 << AUXO_OPTIMIZER_ADAM | 1 << AUXO_OPTIMIZER_ADAMW,
    PHS = 1 << AUXO_OPTIMIZER_PHS,
    ALL = (1 << AUXO_OPTIMIZER_KIND_COUNT) - 1
};

typedef enum value_type { VALUE_FLOAT, VALUE_DOUBLE, VALUE_UINT32 } value_type;

/* Numeric settings: which kinds have them, where they are stored, which values are allowed. */
static const struct number_key {
    const char *name;
    unsigned kinds;
    value_type type;
    size_t offset;
    double least, most;
} number_keys[] = {
#define HYPER_OFFSET(index) (offsetof(auxo_optimizer_config, hyper) + (index) * sizeof(float))
#define BRAKING_OFFSET(field) (offsetof(auxo_optimizer_config, braking) + offsetof(auxo_braking, field))
    {"lr", ALL, VALUE_FLOAT, HYPER_OFFSET(AUXO_HYPER_LR), 0, 1e6},
    {"momentum", HEAVY, VALUE_FLOAT, HYPER_OFFSET(AUXO_HYPER_BETA1), 0, 1},
    {"rho", RMSPROP, VALUE_FLOAT, HYPER_OFFSET(AUXO_HYPER_BETA1), 0, 1},
    {"beta1", ADAMS, VALUE_FLOAT, HYPER_OFFSET(AUXO_HYPER_BETA1), 0, 1},
    {"beta2", ADAMS, VALUE_FLOAT, HYPER_OFFSET(AUXO_HYPER_BETA2), 0, 1},
    {"epsilon", RMSPROP | ADAGRAD | ADAMS, VALUE_FLOAT, HYPER_OFFSET(AUXO_HYPER_EPSILON), 0, 1},
    {"weight_decay", ALL, VALUE_FLOAT, HYPER_OFFSET(AUXO_HYPER_WEIGHT_DECAY), 0, 1e3},
    {"mass", PHS, VALUE_FLOAT, HYPER_OFFSET(AUXO_HYPER_MASS), 1e-12, 1e12},
    {"friction", PHS, VALUE_FLOAT, HYPER_OFFSET(AUXO_HYPER_FRICTION), 0, 1e12},
    {"goal", PHS, VALUE_DOUBLE, BRAKING_OFFSET(goal_value), 0, 1e12},
    {"brake", PHS, VALUE_DOUBLE, BRAKING_OFFSET(brake), 0, 1e12},
    {"goal_after", PHS, VALUE_DOUBLE, BRAKING_OFFSET(goal_after), 0, 1},
    {"ema_decay", PHS, VALUE_DOUBLE, BRAKING_OFFSET(ema_decay), 0, 1},
    {"stall_epochs", PHS, VALUE_UINT32, BRAKING_OFFSET(stall_epochs), 0, 1e6},
    {"reaccelerate", PHS, VALUE_DOUBLE, BRAKING_OFFSET(reaccelerate), 0, 1e12},
};
enum { NUMBER_KEY_COUNT = sizeof number_keys / sizeof *number_keys };

/* Settings with named values, all of them port-Hamiltonian; the first value is the default. */
typedef enum choice_id {
    CHOICE_ORDER,
    CHOICE_FRICTION_MODE,
    CHOICE_GOAL_KIND,
    CHOICE_WATCH,
    CHOICE_OVERFITTING,
    CHOICE_COUNT
} choice_id;
static const struct choice_key {
    const char *name;
    const char *values[4];
    size_t value_count;
} choice_keys[CHOICE_COUNT] = {
    [CHOICE_ORDER] = {"order", {"momentum_first", "explicit_euler"}, 2},
    [CHOICE_FRICTION_MODE] = {"friction_mode", {"linear", "exponential"}, 2},
    [CHOICE_GOAL_KIND] = {"goal_kind", {"none", "absolute", "reduction", "remaining"}, 4},
    [CHOICE_WATCH] = {"watch", {"batch", "ema", "epoch"}, 3},
    [CHOICE_OVERFITTING] = {"brake_on_overfitting", {"no", "yes"}, 2},
};

const char *auxo__optimizer_noun(auxo_optimizer_kind kind)
{
    return (unsigned)kind < AUXO_OPTIMIZER_KIND_COUNT ? kind_nouns[kind] : "unknown";
}

static size_t get_choice(const auxo_optimizer_config *config, choice_id id)
{
    switch (id) {
    case CHOICE_ORDER:
        return config->explicit_euler;
    case CHOICE_FRICTION_MODE:
        return config->exponential_friction;
    case CHOICE_GOAL_KIND:
        return (size_t)config->braking.goal;
    case CHOICE_WATCH:
        return (size_t)config->braking.watch;
    default:
        return config->braking.brake_on_overfitting;
    }
}

static void set_choice(auxo_optimizer_config *config, choice_id id, size_t value)
{
    switch (id) {
    case CHOICE_ORDER:
        config->explicit_euler = value == 1;
        break;
    case CHOICE_FRICTION_MODE:
        config->exponential_friction = value == 1;
        break;
    case CHOICE_GOAL_KIND:
        config->braking.goal = (auxo_goal_kind)value;
        break;
    case CHOICE_WATCH:
        config->braking.watch = (auxo_watch_kind)value;
        break;
    default:
        config->braking.brake_on_overfitting = value == 1;
        break;
    }
}

static double get_number(const auxo_optimizer_config *config, const struct number_key *key)
{
    const char *at = (const char *)config + key->offset;
    switch (key->type) {
    case VALUE_FLOAT:
        return (double)*(const float *)(const void *)at;
    case VALUE_DOUBLE:
        return *(const double *)(const void *)at;
    default:
        return *(const uint32_t *)(const void *)at;
    }
}

static void set_number(auxo_optimizer_config *config, const struct number_key *key, double value)
{
    char *at = (char *)config + key->offset;
    switch (key->type) {
    case VALUE_FLOAT:
        *(float *)(void *)at = (float)value;
        break;
    case VALUE_DOUBLE:
        *(double *)(void *)at = value;
        break;
    default:
        *(uint32_t *)(void *)at = (uint32_t)value;
        break;
    }
}

static void set_defaults(auxo_optimizer_kind kind, auxo_optimizer_config *config)
{
    static const float rates[AUXO_OPTIMIZER_KIND_COUNT] = {
        [AUXO_OPTIMIZER_SGD] = 0.01f,      [AUXO_OPTIMIZER_MOMENTUM] = 0.01f, [AUXO_OPTIMIZER_NESTEROV] = 0.01f,
        [AUXO_OPTIMIZER_RMSPROP] = 0.001f, [AUXO_OPTIMIZER_ADAGRAD] = 0.01f,  [AUXO_OPTIMIZER_ADAM] = 0.001f,
        [AUXO_OPTIMIZER_ADAMW] = 0.001f,   [AUXO_OPTIMIZER_PHS] = 0.1f,
    };
    memset(config, 0, sizeof *config);
    config->kind = kind;
    config->hyper[AUXO_HYPER_LR] = rates[kind];
    config->hyper[AUXO_HYPER_BETA1] = 0.9f;
    config->hyper[AUXO_HYPER_BETA2] = 0.999f;
    config->hyper[AUXO_HYPER_EPSILON] = 1e-8f;
    config->hyper[AUXO_HYPER_WEIGHT_DECAY] = kind == AUXO_OPTIMIZER_ADAMW ? 0.01f : 0.0f;
    config->hyper[AUXO_HYPER_MASS] = 1.0f;
    config->hyper[AUXO_HYPER_FRICTION] = kind == AUXO_OPTIMIZER_PHS ? 0.5f : 0.0f;
    config->braking.ema_decay = 0.98;
    config->braking.brake = 10.0;
}

static auxo_status unknown_key(const char *key, const auxo_optimizer_config *config, auxo_error *error)
{
    const char *names[NUMBER_KEY_COUNT + CHOICE_COUNT];
    char list[256] = "";
    size_t count = 0;
    for (size_t i = 0; i < NUMBER_KEY_COUNT; i++)
        if (number_keys[i].kinds & 1u << config->kind)
            names[count++] = number_keys[i].name;
    for (size_t i = 0; i < CHOICE_COUNT && config->kind == AUXO_OPTIMIZER_PHS; i++)
        names[count++] = choice_keys[i].name;
    for (size_t i = 0; i < count; i++)
        auxo__text_append(list, sizeof list, "%s%s", i ? ", " : "", names[i]);
    const char *near = auxo__text_nearest(key, names, count);
    return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "optimiser %s has no setting \"%s\"; %s%s%s",
                          kind_nouns[config->kind], key, near ? "did you mean \"" : "it has ", near ? near : list,
                          near ? "\"?" : "");
}

static auxo_status apply_choice(choice_id id, const char *value, auxo_optimizer_config *config, auxo_error *error)
{
    const struct choice_key *key = &choice_keys[id];
    char list[128] = "";
    for (size_t i = 0; i < key->value_count; i++) {
        if (strcmp(key->values[i], value) == 0) {
            set_choice(config, id, i);
            return AUXO_OK;
        }
        auxo__text_append(list, sizeof list, "%s%s", i ? ", " : "", key->values[i]);
    }
    return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "optimiser %s: %s=%s is not one of %s",
                          kind_nouns[config->kind], key->name, value, list);
}

static auxo_status apply(const char *key, const char *value, auxo_optimizer_config *config, auxo_error *error)
{
    for (size_t i = 0; i < CHOICE_COUNT && config->kind == AUXO_OPTIMIZER_PHS; i++)
        if (strcmp(choice_keys[i].name, key) == 0)
            return apply_choice((choice_id)i, value, config, error);
    for (size_t i = 0; i < NUMBER_KEY_COUNT; i++) {
        const struct number_key *number = &number_keys[i];
        if (strcmp(number->name, key) != 0 || !(number->kinds & 1u << config->kind))
            continue;
        char *end;
        double parsed = auxo__text_to_double(value, &end);
        bool whole = number->type != VALUE_UINT32 || parsed == floor(parsed);
        if (end == value || *end || !(parsed >= number->least && parsed <= number->most) || !whole)
            return auxo_error_set(
                error, AUXO_INVALID_ARGUMENT, "optimiser %s: %s=%s is not a %s from %g to %g", kind_nouns[config->kind],
                key, value, number->type == VALUE_UINT32 ? "whole number" : "number", number->least, number->most);
        set_number(config, number, parsed);
        if (strcmp(key, "goal") == 0 && config->braking.goal == AUXO_GOAL_NONE)
            config->braking.goal = AUXO_GOAL_ABSOLUTE;
        return AUXO_OK;
    }
    return unknown_key(key, config, error);
}

static auxo_status parse_kind(const char *text, size_t length, auxo_optimizer_kind *kind, auxo_error *error)
{
    char noun[32];
    snprintf(noun, sizeof noun, "%.*s", (int)length, text);
    for (size_t i = 0; i < AUXO_OPTIMIZER_KIND_COUNT; i++)
        if (strcmp(kind_nouns[i], noun) == 0) {
            *kind = (auxo_optimizer_kind)i;
            return AUXO_OK;
        }
    const char *near = auxo__text_nearest(noun, kind_nouns, AUXO_OPTIMIZER_KIND_COUNT);
    char list[128] = "";
    for (size_t i = 0; i < AUXO_OPTIMIZER_KIND_COUNT; i++)
        auxo__text_append(list, sizeof list, "%s%s", i ? ", " : "", kind_nouns[i]);
    return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "no optimiser is called \"%s\"; %s%s%s", noun,
                          near ? "did you mean \"" : "there are ", near ? near : list, near ? "\"?" : "");
}

auxo_status auxo_optimizer_config_parse(const char *text, auxo_optimizer_config *config, auxo_error *error)
{
    size_t length = strcspn(text, ":");
    auxo_optimizer_kind kind = AUXO_OPTIMIZER_SGD;
    auxo_status status = parse_kind(text, length, &kind, error);
    if (status != AUXO_OK)
        return status;
    auxo_optimizer_config parsed;
    set_defaults(kind, &parsed);
    const char *at = text + length + (text[length] == ':');
    while (status == AUXO_OK && *at) {
        char setting[96];
        size_t setting_length = strcspn(at, ",");
        snprintf(setting, sizeof setting, "%.*s", (int)setting_length, at);
        at += setting_length + (at[setting_length] == ',');
        char *equals = strchr(setting, '=');
        if (!equals)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "optimiser %s: \"%s\" is not of the form key=value",
                                  kind_nouns[kind], setting);
        *equals = 0;
        status = apply(setting, equals + 1, &parsed, error);
    }
    if (status == AUXO_OK)
        status = auxo__optimizer_config_check(&parsed, error);
    if (status == AUXO_OK)
        *config = parsed;
    return status;
}

/* The shortest text that reads back as the same value. */
static void format_number(const struct number_key *key, double value, char *text, size_t size)
{
    for (int digits = 1; digits <= 17; digits++) {
        auxo__number_print(text, size, "%.*g", digits, value);
        double read = auxo__text_to_double(text, NULL);
        if (key->type == VALUE_FLOAT ? (float)read == (float)value : read == value)
            return;
    }
}

void auxo_optimizer_config_format(const auxo_optimizer_config *config, char *text, size_t size)
{
    if (size == 0)
        return;
    text[0] = 0;
    auxo__text_append(text, size, "%s", auxo__optimizer_noun(config->kind));
    char separator = ':';
    bool brakes = config->braking.goal != AUXO_GOAL_NONE || config->braking.brake_on_overfitting;
    for (size_t i = 0; i < NUMBER_KEY_COUNT; i++) {
        const struct number_key *key = &number_keys[i];
        bool of_braking = key->offset >= offsetof(auxo_optimizer_config, braking);
        if (!(key->kinds & 1u << config->kind) || (of_braking && !brakes && get_number(config, key) == 0.0))
            continue;
        char number[40];
        format_number(key, get_number(config, key), number, sizeof number);
        auxo__text_append(text, size, "%c%s=%s", separator, key->name, number);
        separator = ',';
    }
    for (size_t i = 0; i < CHOICE_COUNT && config->kind == AUXO_OPTIMIZER_PHS; i++)
        auxo__text_append(text, size, ",%s=%s", choice_keys[i].name,
                          choice_keys[i].values[get_choice(config, (choice_id)i)]);
}

static auxo_status check_momentum_factor(const auxo_optimizer_config *config, double friction, const char *when,
                                         auxo_error *error)
{
    double ratio = (double)config->hyper[AUXO_HYPER_LR] * friction / (double)config->hyper[AUXO_HYPER_MASS];
    if (ratio < 2.0)
        return AUXO_OK;
    return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                          "optimiser phs is unstable%s: lr friction / mass = %g x %g / %g = %g must be below 2 under "
                          "linear friction (each step would multiply the momentum by %g); lower it, or set "
                          "friction_mode=exponential",
                          when, (double)config->hyper[AUXO_HYPER_LR], friction, (double)config->hyper[AUXO_HYPER_MASS],
                          ratio, 1.0 - ratio);
}

auxo_status auxo__optimizer_config_check(const auxo_optimizer_config *config, auxo_error *error)
{
    if ((unsigned)config->kind >= AUXO_OPTIMIZER_KIND_COUNT)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "optimiser kind %d does not exist", (int)config->kind);
    for (int i = 0; i < AUXO_HYPER_COUNT; i++)
        if (!isfinite(config->hyper[i]))
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "optimiser %s: hyperparameter %d is not finite",
                                  kind_nouns[config->kind], i);
    const bool adam = config->kind == AUXO_OPTIMIZER_ADAM || config->kind == AUXO_OPTIMIZER_ADAMW;
    for (int i = AUXO_HYPER_BETA1; adam && i <= AUXO_HYPER_BETA2; i++)
        if (!(config->hyper[i] >= 0.0f && config->hyper[i] < 1.0f)) /* adam divides by 1 - beta^t */
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "optimiser %s: %s=%.9g must be at least 0 and below 1",
                                  kind_nouns[config->kind], i == AUXO_HYPER_BETA1 ? "beta1" : "beta2",
                                  (double)config->hyper[i]);
    if (config->kind != AUXO_OPTIMIZER_PHS)
        return AUXO_OK;
    const auxo_braking *braking = &config->braking;
    if (!(config->hyper[AUXO_HYPER_MASS] > 0.0f))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "optimiser phs: mass=%g must be positive",
                              (double)config->hyper[AUXO_HYPER_MASS]);
    bool brakes = braking->goal != AUXO_GOAL_NONE || braking->brake_on_overfitting;
    if (config->exponential_friction)
        return AUXO_OK;
    double friction = (double)config->hyper[AUXO_HYPER_FRICTION];
    auxo_status status = check_momentum_factor(config, friction, "", error);
    if (status == AUXO_OK && brakes)
        status = check_momentum_factor(config, friction * braking->brake, " after braking", error);
    return status;
}
