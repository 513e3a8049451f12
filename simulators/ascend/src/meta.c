/* Tensors, scalars, lists: handles that are checked, owned as hicann/opbase@aa3cd74b7f6d src/nnopbase/common/api/acl_op_api.cpp says. */
#include "op.h"

#include <stdlib.h>
#include <string.h>

#define TENSOR 0x7E4503A1u
#define ARRAY 0xA44A1E57u
#define SCALAR 0x5CA1A44Eu
#define LIST 0x1157E45Fu
#define SOURCE "acl_meta.h, op_executor.cpp"

SIM_API aclnnStatus aclnnInit(const char *configPath) {
    sim_called();
    (void)configPath;
    return sim_check_ready("aclnnInit");
}

SIM_API aclnnStatus aclnnFinalize(void) {
    sim_called();
    return 0;
}

SIM_API aclTensor *aclCreateTensor(const int64_t *viewDims, uint64_t viewDimsNum, aclDataType dataType, const int64_t *stride, int64_t offset,
                                   aclFormat format, const int64_t *storageDims, uint64_t storageDimsNum, void *tensorData) {
    sim_called();
    if ((!viewDims && viewDimsNum) || viewDimsNum > MAX_RANK || (!storageDims && storageDimsNum) || offset < 0) {
        sim_fail(ACLNN_ERR_PARAM_INVALID, "a tensor has at most 8 dimensions and no negative offset", SOURCE,
                 "aclCreateTensor with %lu dimensions, offset %ld", (unsigned long)viewDimsNum, (long)offset);
        return 0;
    }
    if ((uintptr_t)tensorData & 31) {
        sim_fail(ACLNN_ERR_PARAM_INVALID, "a tensor's data is aligned to 32 bytes, offsets are for the rest", SOURCE, "aclCreateTensor of data at %p",
                 tensorData);
        return 0;
    }
    aclTensor *tensor = calloc(1, sizeof *tensor);
    tensor->magic = TENSOR;
    sim_view *view = &tensor->view;
    view->dtype = dataType;
    view->format = format;
    view->rank = (int)viewDimsNum;
    view->offset = offset;
    view->data = tensorData;
    view->storage = 1;
    for (uint64_t i = 0; i < storageDimsNum; i++) view->storage *= storageDims[i];
    int64_t dense = 1, last = offset, elements = 1;
    view->dense = true;
    for (int i = (int)viewDimsNum - 1; i >= 0; i--) {
        view->dims[i] = viewDims[i];
        view->strides[i] = stride ? stride[i] : dense;
        if (viewDims[i] != 1 && view->strides[i] != dense) view->dense = false;
        dense *= viewDims[i];
        elements *= viewDims[i];
        last += (viewDims[i] - 1) * view->strides[i];
    }
    if (elements > 0 && last >= view->storage) {
        sim_fail(ACLNN_ERR_PARAM_INVALID, "a view lies inside its storage", SOURCE, "aclCreateTensor: the view's last element is %ld, the storage has %ld",
                 (long)last, (long)view->storage);
        free(tensor);
        return 0;
    }
    return tensor;
}

SIM_API aclScalar *aclCreateScalar(void *value, aclDataType dataType) {
    sim_called();
    if (!value) {
        sim_fail(ACLNN_ERR_PARAM_NULLPTR, "no null pointers", SOURCE, "aclCreateScalar(null)");
        return 0;
    }
    aclScalar *scalar = calloc(1, sizeof *scalar);
    scalar->magic = SCALAR;
    scalar->dtype = dataType;
    sim_view one = {.dtype = dataType, .data = value};
    scalar->value = sim_get(&one, 0);
    return scalar;
}

SIM_API aclIntArray *aclCreateIntArray(const int64_t *value, uint64_t size) {
    sim_called();
    aclIntArray *array = calloc(1, sizeof *array);
    array->magic = ARRAY;
    array->size = size;
    array->values = malloc(8 * (size + 1));
    if (size) memcpy(array->values, value, 8 * size);
    return array;
}

SIM_API aclFloatArray *aclCreateFloatArray(const float *value, uint64_t size) {
    sim_called();
    (void)value;
    (void)size;
    sim_fail(ACLNN_ERR_PARAM_INVALID, "nothing simulated takes one", "the simulator", "aclCreateFloatArray is not simulated");
    return 0;
}

SIM_API aclBoolArray *aclCreateBoolArray(const bool *value, uint64_t size) {
    sim_called();
    (void)value;
    (void)size;
    sim_fail(ACLNN_ERR_PARAM_INVALID, "nothing simulated takes one", "the simulator", "aclCreateBoolArray is not simulated");
    return 0;
}

static bool is_tensor(const aclTensor *tensor) {
    return tensor && tensor->magic == TENSOR;
}

SIM_API aclTensorList *aclCreateTensorList(const aclTensor *const *value, uint64_t size) {
    sim_called();
    for (uint64_t i = 0; i < size; i++)
        if (!is_tensor(value[i]) || value[i]->in_list) {
            sim_fail(ACLNN_ERR_PARAM_INVALID, "a list takes live tensors that are in no other list, and owns them", SOURCE,
                     "aclCreateTensorList: element %lu", (unsigned long)i);
            return 0;
        }
    aclTensorList *list = calloc(1, sizeof *list);
    list->magic = LIST;
    list->size = size;
    list->tensors = malloc(sizeof(aclTensor *) * (size + 1));
    for (uint64_t i = 0; i < size; i++) {
        list->tensors[i] = (aclTensor *)value[i];
        list->tensors[i]->in_list = true;
    }
    return list;
}

static aclnnStatus dead(const char *what) {
    return sim_fail(ACLNN_ERR_PARAM_INVALID, "what is destroyed lives", SOURCE, "%s of something that is none, or was destroyed", what);
}

SIM_API aclnnStatus aclDestroyTensor(const aclTensor *tensor) {
    sim_called();
    if (!is_tensor(tensor)) return dead("aclDestroyTensor");
    if (tensor->in_list)
        return sim_fail(ACLNN_ERR_PARAM_INVALID, "a list owns its tensors: aclDestroyTensorList destroys them", SOURCE, "aclDestroyTensor of a tensor in a list");
    ((aclTensor *)tensor)->magic = 0;
    sim_retire((void *)tensor);
    return 0;
}

SIM_API aclnnStatus aclDestroyScalar(const aclScalar *scalar) {
    sim_called();
    if (!scalar || scalar->magic != SCALAR) return dead("aclDestroyScalar");
    ((aclScalar *)scalar)->magic = 0;
    sim_retire((void *)scalar);
    return 0;
}

SIM_API aclnnStatus aclDestroyIntArray(const aclIntArray *array) {
    sim_called();
    if (!array || array->magic != ARRAY) return dead("aclDestroyIntArray");
    ((aclIntArray *)array)->magic = 0;
    free(array->values);
    sim_retire((void *)array);
    return 0;
}

SIM_API aclnnStatus aclDestroyFloatArray(const aclFloatArray *array) {
    sim_called();
    (void)array;
    return dead("aclDestroyFloatArray");
}

SIM_API aclnnStatus aclDestroyBoolArray(const aclBoolArray *array) {
    sim_called();
    (void)array;
    return dead("aclDestroyBoolArray");
}

SIM_API aclnnStatus aclDestroyTensorList(const aclTensorList *array) {
    sim_called();
    if (!array || array->magic != LIST) return dead("aclDestroyTensorList");
    aclTensorList *list = (aclTensorList *)array;
    list->magic = 0;
    for (uint64_t i = 0; i < list->size; i++) {
        list->tensors[i]->magic = 0;
        sim_retire(list->tensors[i]);
    }
    free(list->tensors);
    sim_retire(list);
    return 0;
}

SIM_API aclnnStatus aclSetRawTensorAddr(aclTensor *tensor, void *addr) {
    sim_called();
    if (!is_tensor(tensor)) return dead("aclSetRawTensorAddr");
    if ((uintptr_t)addr & 31)
        return sim_fail(ACLNN_ERR_PARAM_INVALID, "a tensor's data is aligned to 32 bytes", SOURCE, "aclSetRawTensorAddr to %p", addr);
    tensor->view.data = addr;
    return 0;
}

SIM_API aclnnStatus aclGetRawTensorAddr(const aclTensor *tensor, void **addr) {
    sim_called();
    if (!is_tensor(tensor)) return dead("aclGetRawTensorAddr");
    if (!addr) return sim_fail(ACLNN_ERR_PARAM_NULLPTR, "no null pointers", SOURCE, "aclGetRawTensorAddr with a null pointer");
    *addr = tensor->view.data;
    return 0;
}

bool sim_tensor_lives(const aclTensor *tensor) {
    return is_tensor(tensor);
}

bool sim_list_lives(const aclTensorList *list) {
    return list && list->magic == LIST;
}

bool sim_scalar_lives(const aclScalar *scalar) {
    return scalar && scalar->magic == SCALAR;
}

bool sim_array_lives(const aclIntArray *array) {
    return array && array->magic == ARRAY;
}
