// interface.glsl: how every compute shader meets the host (backends/vulkan/program.c).
//
// Constant 0 is the workgroup size. Storage buffers are at bindings 0.. of set 0 as BUFFER(slot, access, type, name);
// the push constant block begins with `uint at[bindings]`: element at[slot] of binding slot is the tensor's first.
// Workgroups may be spread over three dimensions (65535 each): group_index() numbers them.

#ifdef HALF
#extension GL_EXT_shader_16bit_storage : require
#endif
#include "push.h"
#include "contract.glsl" // the numbers of include/auxo/, by shaders/contract.cmake

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint GROUP_SIZE = 256;

#define BUFFER(slot, access, type, name)                                                                              \
    layout(std430, set = 0, binding = slot) access buffer name##_block                                                  \
    {                                                                                                                  \
        type name[];                                                                                                   \
    }

uint group_index()
{
    return (gl_WorkGroupID.z * gl_NumWorkGroups.y + gl_WorkGroupID.y) * gl_NumWorkGroups.x + gl_WorkGroupID.x;
}

uint lane_index()
{
    return gl_LocalInvocationIndex;
}

// Each invocation of an elementwise shader handles FLAT_ELEMENTS (push.h) elements, GROUP_SIZE apart.
uint flat_element(uint k)
{
    return (group_index() * FLAT_ELEMENTS + k) * GROUP_SIZE + lane_index();
}
