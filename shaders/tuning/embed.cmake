# Embeds shaders/tuning/*.tune in the library as the array auxo__tuning_builtin (runtime/device/tuning.h).
#   auxo_embed_tuning(<variable>)   sets the variable to a C file that is generated at build time
# The same file is run in script mode to write that C file (-DOUTPUT=...).
if(CMAKE_SCRIPT_MODE_FILE)
  file(GLOB files ${CMAKE_CURRENT_LIST_DIR}/*.tune)
  set(content "/* Generated from shaders/tuning/. */\n#include \"tuning.h\"\n\n")
  set(table "")
  set(number 0)
  foreach(file ${files})
    file(READ ${file} hex HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
    string(APPEND content "static const unsigned char text_${number}[] = {${bytes}0};\n")
    get_filename_component(name ${file} NAME)
    string(APPEND table "    {\"built-in ${name}\", text_${number}},\n")
    math(EXPR number "${number} + 1")
  endforeach()
  string(APPEND content "const auxo__tuning_text auxo__tuning_builtin[] = {\n${table}    {0, 0},\n};\n")
  file(WRITE ${OUTPUT} "${content}")
  return()
endif()

set(AUXO_EMBED_TUNING_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
function(auxo_embed_tuning variable)
  get_filename_component(folder ${AUXO_EMBED_TUNING_SCRIPT} DIRECTORY)
  file(GLOB files CONFIGURE_DEPENDS ${folder}/*.tune)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/tuning_builtin.c)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -P ${AUXO_EMBED_TUNING_SCRIPT}
    DEPENDS ${files} ${AUXO_EMBED_TUNING_SCRIPT} COMMENT "Embedding tuning data")
  set(${variable} ${output} PARENT_SCOPE)
endfunction()
