# SPDX-License-Identifier: BSL-1.0
# cmake -P floors.cmake: fails on an #include in src/ that goes up. A folder of src/ may include
# itself and those before it in this list.
set(floors os memory sync wire connection sharedctypes queues process pool managers context)

get_filename_component(src "${CMAKE_CURRENT_LIST_DIR}/../../src" ABSOLUTE)
file(GLOB_RECURSE files RELATIVE ${src} ${src}/*.hpp ${src}/*.cpp)
foreach(file IN LISTS files)
  string(REGEX MATCH "^[^/]+" floor ${file})
  list(FIND floors ${floor} level)
  if(level EQUAL -1)
    message(SEND_ERROR "src/${file}: ${floor} is no floor; the floors are ${floors}")
  endif()
  file(STRINGS ${src}/${file} includes REGEX "^ *# *include *\"[^/\"]+/")
  foreach(include IN LISTS includes)
    string(REGEX REPLACE "^[^\"]*\"([^/\"]+)/.*" "\\1" target ${include})
    list(FIND floors ${target} target_level)
    if(target_level EQUAL -1 OR target_level GREATER level)
      message(SEND_ERROR "src/${file}: ${include} goes up: ${floor} lies below ${target}")
    endif()
  endforeach()
endforeach()
