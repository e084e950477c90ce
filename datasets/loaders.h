/* loaders.h: the function behind each named data set (internal to this folder).
 *
 * One line here and one row in catalog.c add a data set. A loader finds its own files; on failure it may leave partial
 * results in *train and *test, which auxo_dataset_load destroys. Options are never NULL.
 */
#ifndef AUXO_DATASETS_LOADERS_H
#define AUXO_DATASETS_LOADERS_H

#include "auxo/data.h"

typedef auxo_status auxo__loader(const auxo_data_options *options, auxo_dataset **train, auxo_dataset **test,
                                 auxo_error *error);

auxo__loader auxo__load_arrays; /* those of the options */
auxo__loader auxo__load_glyphs;
auxo__loader auxo__load_mnist;
auxo__loader auxo__load_fashion_mnist;
auxo__loader auxo__load_cifar_10;
auxo__loader auxo__load_cifar_100;
auxo__loader auxo__load_svhn;
auxo__loader auxo__load_small_norb;
auxo__loader auxo__load_reactor;
auxo__loader auxo__load_puzzle15;
auxo__loader auxo__load_puzzle15_80;
auxo__loader auxo__load_korf100;
auxo__loader auxo__load_survival_sim;
auxo__loader auxo__load_survival_sim_nonlinear;
auxo__loader auxo__load_survival_sim_sites;
auxo__loader auxo__load_glyphs_survival;
auxo__loader auxo__load_mnist_survival;
auxo__loader auxo__load_fashion_survival;
auxo__loader auxo__load_ccpp;
auxo__loader auxo__load_aep;
auxo__loader auxo__load_tf;
auxo__loader auxo__load_metabric;
auxo__loader auxo__load_support;
auxo__loader auxo__load_gbsg;
auxo__loader auxo__load_whas;
auxo__loader auxo__load_gbsg2;
auxo__loader auxo__load_flchain;
auxo__loader auxo__load_gse7390;
auxo__loader auxo__load_bmt;
auxo__loader auxo__load_cgvhd;

/* A .csv or .arff file by path; columns as the options say, the last one the target if they do not. */
auxo_status auxo__load_table_path(const char *path, const auxo_data_options *options, auxo_dataset **train,
                                  auxo_error *error);

/* One picture, for a model of pictures to predict. */
auxo_status auxo__load_picture(const char *path, const auxo_data_options *options, auxo_dataset **dataset,
                               auxo_error *error);
/* A folder of images, one subfolder per class, perhaps below train and test. */
auxo_status auxo__load_image_folder(const char *path, const auxo_data_options *options, auxo_dataset **train,
                                    auxo_dataset **test, auxo_error *error);
/* IDX files of the user's own: a folder, or the file of pictures. */
bool auxo__is_idx_path(const char *name);
auxo_status auxo__load_idx_folder(const char *name, const auxo_data_options *options, auxo_dataset **train,
                                  auxo_dataset **test, auxo_error *error);
/* A packed set, .auxo. */
bool auxo__is_packed_path(const char *name);
auxo_status auxo__load_packed(const char *path, const auxo_data_options *options, auxo_dataset **train,
                              auxo_dataset **test, auxo_error *error);
/* NumPy arrays: .npy with a second file for labels, or .npz. */
bool auxo__is_numpy_path(const char *name);
auxo_status auxo__load_numpy(const char *path, const auxo_data_options *options, auxo_dataset **train,
                             auxo_dataset **test, auxo_error *error);
/* One SVHN .mat file. */
auxo_status auxo__svhn_read(const char *path, size_t limit, auxo_dataset **dataset, auxo_error *error);

#endif
