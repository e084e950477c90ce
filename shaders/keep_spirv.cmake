# Remakes the SPIR-V that is kept in vulkan/kept/, for builds whose glslangValidator does not know the extensions:
#   cmake -DGLSLANG=/path/to/glslang -DSPIRV_VAL=/path/to/spirv-val -P shaders/keep_spirv.cmake
# glslang 15.3 or later (tests/sid.sh FOLDER keep runs Debian sid's). The first lines of a result say what it was made
# from; tests and the build compare the sum.
include(${CMAKE_CURRENT_LIST_DIR}/contract.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/kept_spirv.cmake)
set(made ${CMAKE_CURRENT_LIST_DIR}/vulkan/made) # for the time of this script
auxo_gpu_contract(${made}/contract.glsl ${made}/contract.clh)
execute_process(COMMAND ${GLSLANG} --version OUTPUT_VARIABLE version)
string(REGEX MATCH "Glslang Version: [^\n]*" version "${version}")
auxo_kept_variants(lines)
foreach(line ${lines})
  separate_arguments(defines UNIX_COMMAND "${line}")
  list(POP_FRONT defines name source)
  list(TRANSFORM defines PREPEND -D)
  set(binary ${made}/${name}.spv)
  execute_process(COMMAND ${GLSLANG} -V -g0 --target-env vulkan1.2 --quiet ${defines}
                          -I${CMAKE_CURRENT_LIST_DIR}/vulkan/include -I${made}
                          -o ${binary} ${CMAKE_CURRENT_LIST_DIR}/vulkan/${source}
                  RESULT_VARIABLE result OUTPUT_VARIABLE text ERROR_VARIABLE text)
  if(NOT result)
    execute_process(COMMAND ${SPIRV_VAL} --target-env vulkan1.2 ${binary}
                    RESULT_VARIABLE result OUTPUT_VARIABLE text ERROR_VARIABLE text)
  endif()
  if(result)
    message(FATAL_ERROR "${name}: ${text}")
  endif()
  auxo_kept_sum("${line}" ${made}/contract.glsl sum)
  file(READ ${binary} hex HEX)
  string(REGEX REPLACE "(..)(..)(..)(..)" "0x\\4\\3\\2\\1," words "${hex}")
  set(word "0x........,")
  string(REGEX REPLACE "(${word}${word}${word}${word}${word}${word}${word}${word})" "\\1\n" words "${words}")
  file(WRITE ${CMAKE_CURRENT_LIST_DIR}/vulkan/kept/${name}.spv.inc
       "/* SPIR-V of ${name} (shaders/variants.txt), made by shaders/keep_spirv.cmake with ${version};\n * sources: ${sum} */\n${words}\n")
endforeach()
file(REMOVE_RECURSE ${made})
