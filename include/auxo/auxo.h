/* auxo/auxo.h: the whole public interface. A program may include single headers instead; backend.h is for backends. */
#ifndef AUXO_AUXO_H
#define AUXO_AUXO_H

#include "auxo/adapt.h"
#include "auxo/arrays.h"
#include "auxo/bench.h"
#include "auxo/cluster.h"
#include "auxo/data.h"
#include "auxo/device.h"
#include "auxo/format.h"
#include "auxo/kinds.h"
#include "auxo/metrics.h"
#include "auxo/model.h"
#include "auxo/multiscale.h"
#include "auxo/onnx.h"
#include "auxo/ops.h"
#include "auxo/plan.h"
#include "auxo/report.h"
#include "auxo/run.h"
#include "auxo/search.h"
#include "auxo/sizing.h"
#include "auxo/status.h"
#include "auxo/study.h"
#include "auxo/survival.h"
#include "auxo/table.h"
#include "auxo/tensor.h"
#include "auxo/train.h"
#include "auxo/tune.h"
#include "auxo/verify.h"
#include "auxo/version.h"

#endif
