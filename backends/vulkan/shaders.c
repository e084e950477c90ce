/* shaders.c: the SPIR-V modules that the build compiled from shaders/vulkan, by vk_shader.
 *
 * Owns nothing but the table; vk_shader_list.h and vk_shader_words.h are generated.
 */
#include "vk_internal.h"

#include "vk_shader_words.h"

const vk_shader_code vk_shader_codes[VK_SHADER_COUNT] = {
#define X(name) [VK_SHADER_##name] = {#name, vk_words_##name, sizeof vk_words_##name},
#include "vk_shader_list.h"
#undef X
};
