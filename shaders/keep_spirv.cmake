# Remakes the SPIR-V that is kept beside its source, for builds whose glslangValidator does not know the extension:
#   cmake -DGLSLANG=/path/to/glslang -P shaders/keep_spirv.cmake
# glslang 13.1 or later. The first lines of the result say what it was made from; the build compares the sum.
include(${CMAKE_CURRENT_LIST_DIR}/contract.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/kept_spirv.cmake)
set(made ${CMAKE_CURRENT_LIST_DIR}/vulkan/made) # for the time of this script
auxo_gpu_contract(${made}/contract.glsl ${made}/contract.clh)
foreach(name ${AUXO_KEPT_SPIRV})
  set(source ${CMAKE_CURRENT_LIST_DIR}/vulkan/${name}.comp)
  set(binary ${CMAKE_CURRENT_LIST_DIR}/vulkan/${name}.spv)
  execute_process(COMMAND ${GLSLANG} -V -g0 --target-env vulkan1.2 --quiet -I${CMAKE_CURRENT_LIST_DIR}/vulkan/include
                          -I${made}
                          -o ${binary} ${source} RESULT_VARIABLE result OUTPUT_VARIABLE text ERROR_VARIABLE text)
  if(result)
    message(FATAL_ERROR "${name}: ${text}")
  endif()
  execute_process(COMMAND ${GLSLANG} --version OUTPUT_VARIABLE version)
  string(REGEX MATCH "Glslang Version: [^\n]*" version "${version}")
  auxo_kept_sum(${name} ${made}/contract.glsl sum)
  file(READ ${binary} hex HEX)
  file(REMOVE ${binary})
  string(REGEX REPLACE "(..)(..)(..)(..)" "0x\\4\\3\\2\\1," words "${hex}")
  set(word "0x........,")
  string(REGEX REPLACE "(${word}${word}${word}${word}${word}${word}${word}${word})" "\\1\n" words "${words}")
  file(WRITE ${CMAKE_CURRENT_LIST_DIR}/vulkan/${name}.spv.inc
       "/* SPIR-V of ${name}.comp, made by shaders/keep_spirv.cmake with ${version};\n * sources: ${sum} */\n${words}\n")
endforeach()
file(REMOVE_RECURSE ${made})
