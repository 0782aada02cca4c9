# pulmo_folder(NAME USES folder... LIBS library...): src/NAME/*.c as the library pulmo_NAME.
# Headers are included as "folder/noun.h"; tests/unit/layers.sh holds the includes to the USES lists.
function(pulmo_compile_options target)
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src)
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE PULMO_VERSION="${PROJECT_VERSION}")
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wvla -Wstrict-prototypes
        -Wmissing-prototypes -Wshadow -Wno-format-truncation -Werror -ffp-contract=off)
    if(PULMO_SANITIZE)
        target_compile_options(${target} PRIVATE -fsanitize=address,undefined
            -fno-sanitize-recover=all -fno-omit-frame-pointer)
        target_link_options(${target} PRIVATE -fsanitize=address,undefined)
    endif()
    if(PULMO_FUZZ)
        target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
    endif()
endfunction()

function(pulmo_folder name)
    cmake_parse_arguments(ARG "" "" "USES;LIBS" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.c)
    add_library(pulmo_${name} STATIC ${sources})
    pulmo_compile_options(pulmo_${name})
    foreach(folder IN LISTS ARG_USES)
        target_link_libraries(pulmo_${name} PUBLIC pulmo_${folder})
    endforeach()
    target_link_libraries(pulmo_${name} PUBLIC ${ARG_LIBS})
endfunction()
