# What pulmo is built on. Debian 12's packages are named in docs/install.md; anywhere else
# CMAKE_PREFIX_PATH and PKG_CONFIG_PATH lead to a prefix.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS C)
find_package(MPI REQUIRED COMPONENTS C)

set(HDF5_PREFER_PARALLEL TRUE)
find_package(HDF5 REQUIRED COMPONENTS C)
if(NOT HDF5_IS_PARALLEL)
    message(FATAL_ERROR "pulmo needs an HDF5 built with MPI (Debian: libhdf5-openmpi-dev)")
endif()

pkg_check_modules(LIBCONFIG REQUIRED IMPORTED_TARGET libconfig)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)

# pulmo_find(NAME HEADER LIBRARY...): libraries that ship neither a CMake nor a pkg-config file.
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
        list(APPEND libraries ${${package}_${name}_LIBRARY})
    endforeach()
    add_library(${target} INTERFACE IMPORTED)
    set_target_properties(${target} PROPERTIES
        INTERFACE_INCLUDE_DIRECTORIES "${${package}_INCLUDE_DIR}"
        INTERFACE_LINK_LIBRARIES "${libraries}")
endfunction()

pulmo_find(BLIS Blis::blis blis.h NAMES blis SUFFIXES blis-openmp blis)
pulmo_find(CSV Csv::csv csv.h NAMES csv)
pulmo_find(NIFTI Nifti::nifti nifti1_io.h NAMES niftiio znz SUFFIXES nifti)
