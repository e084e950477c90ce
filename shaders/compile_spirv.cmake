# Compiles one GLSL compute shader to SPIR-V for Vulkan 1.2 and writes its words as C array elements.
# Variables: NAME, SOURCE, OUTPUT, DEFINES (list of X or X=value), INCLUDE_DIRS, GLSLANG, SPIRV_VAL (may be unset).
set(binary ${OUTPUT}.spv)
set(arguments)
foreach(define ${DEFINES})
  list(APPEND arguments -D${define})
endforeach()
foreach(folder ${INCLUDE_DIRS})
  list(APPEND arguments -I${folder})
endforeach()
get_filename_component(folder ${OUTPUT} DIRECTORY)
file(MAKE_DIRECTORY ${folder})
execute_process(COMMAND ${GLSLANG} -V --target-env vulkan1.2 --quiet ${arguments} -o ${binary} ${SOURCE}
                RESULT_VARIABLE result OUTPUT_VARIABLE text ERROR_VARIABLE text)
if(result)
  message(FATAL_ERROR "${NAME}: ${text}")
endif()
if(SPIRV_VAL)
  execute_process(COMMAND ${SPIRV_VAL} --target-env vulkan1.2 ${binary}
                  RESULT_VARIABLE result OUTPUT_VARIABLE text ERROR_VARIABLE text)
  if(result)
    message(FATAL_ERROR "${NAME}: invalid SPIR-V: ${text}")
  endif()
endif()
file(READ ${binary} hex HEX)
# SPIR-V words are little-endian in the file.
string(REGEX REPLACE "(..)(..)(..)(..)" "0x\\4\\3\\2\\1,\n" words "${hex}")
file(WRITE ${OUTPUT} "${words}")
