# What pulmo is built on. Debian 12's packages are named in docs/install.md; anywhere else
# CMAKE_PREFIX_PATH leads to a prefix.
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(PNG REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS C)
find_package(MPI REQUIRED COMPONENTS C)

set(HDF5_PREFER_PARALLEL TRUE)
find_package(HDF5 REQUIRED COMPONENTS C)
if(NOT HDF5_IS_PARALLEL)
    message(FATAL_ERROR "pulmo needs an HDF5 built with MPI (Debian: libhdf5-openmpi-dev)")
endif()

# A linker that drops what the program does not call itself would leave libznz, which libniftiio calls, to
# be searched for in the system's folders only: the run path of a program holds for its own libraries.
set(CMAKE_LINK_LIBRARY_USING_kept "LINKER:--push-state,--no-as-needed" "<LINK_ITEM>" "LINKER:--pop-state")
set(CMAKE_LINK_LIBRARY_USING_kept_SUPPORTED TRUE)

# pulmo_find(PACKAGE TARGET HEADER NAMES library... [SUFFIXES folder...]): the small libraries. Some ship no
# CMake file and some no pkg-config file, and a pkg-config file of a prefix may name another one (of a
# package that was unpacked there); header and library are where they are.
function(pulmo_find package target header)
    cmake_parse_arguments(ARG "" "" "NAMES;SUFFIXES" ${ARGN})
    find_path(${package}_INCLUDE_DIR ${header} PATH_SUFFIXES ${ARG_SUFFIXES})
    if(NOT ${package}_INCLUDE_DIR)
        message(FATAL_ERROR "${package}: ${header} not found (docs/install.md lists the packages)")
    endif()
    set(libraries)
    foreach(name IN LISTS ARG_NAMES)
        find_library(${package}_${name}_LIBRARY ${name} PATH_SUFFIXES ${ARG_SUFFIXES})
        if(NOT ${package}_${name}_LIBRARY)
            message(FATAL_ERROR "${package}: lib${name} not found (docs/install.md lists the packages)")
        endif()
        list(APPEND libraries $<LINK_LIBRARY:kept,${${package}_${name}_LIBRARY}>)
    endforeach()
    add_library(${target} INTERFACE IMPORTED)
    set_target_properties(${target} PROPERTIES
        INTERFACE_INCLUDE_DIRECTORIES "${${package}_INCLUDE_DIR}"
        INTERFACE_LINK_LIBRARIES "${libraries}")
endfunction()

pulmo_find(LIBCONFIG Libconfig::config libconfig.h NAMES config)
pulmo_find(JANSSON Jansson::jansson jansson.h NAMES jansson)
pulmo_find(XXHASH Xxhash::xxhash xxhash.h NAMES xxhash)
pulmo_find(RANDOM123 Random123::random123 Random123/philox.h)
pulmo_find(BLIS Blis::blis blis.h NAMES blis SUFFIXES blis-openmp blis)
pulmo_find(CSV Csv::csv csv.h NAMES csv)
pulmo_find(ZSTD Zstd::zstd zstd.h NAMES zstd)
pulmo_find(ZIP Zip::zip zip.h NAMES zip)
pulmo_find(ISAL Isal::isal isa-l/igzip_lib.h NAMES isal)
pulmo_find(PROTOBUFC Protobufc::protobufc protobuf-c/protobuf-c.h NAMES protobuf-c)
find_program(PROTOC_C protoc-c REQUIRED)
pulmo_find(NIFTI Nifti::nifti nifti1_io.h NAMES niftiio znz SUFFIXES nifti)
