# The shaders whose SPIR-V is kept beside the source (keep_spirv.cmake), and the sum of what they are made from.
set(AUXO_KEPT_SPIRV gemm_cooperative)

# auxo_kept_sum(<name> <contract.glsl> <variable>): of the source and of all it may include.
set(AUXO_SHADER_DIR ${CMAKE_CURRENT_LIST_DIR})
function(auxo_kept_sum name contract variable)
  file(SHA256 ${contract} sums)
  foreach(file ${name}.comp include/interface.glsl include/push.h include/gemm.glsl include/math.glsl include/matrix.glsl
               include/words.glsl)
    file(SHA256 ${AUXO_SHADER_DIR}/vulkan/${file} sum)
    string(APPEND sums ${sum})
  endforeach()
  string(SHA256 sum "${sums}")
  set(${variable} ${sum} PARENT_SCOPE)
endfunction()
