package dev.heng.backend.ascend.device;

import dev.heng.backend.ascend.binding.CannAbi;
import dev.heng.spi.BackendException;

/**
 * What a status of the runtime means for an operator.
 *
 * <p>Source: hicann/runtime@681ef7610df1 include/external/acl/error_codes/rt_error_codes.h and acl_base_rt.h.
 */
final class AclStatus {

    private static final long OUT_OF_MEMORY = constant("ACL_ERROR_RT_MEMORY_ALLOCATION");
    private static final long BAD_ALLOC = constant("ACL_ERROR_BAD_ALLOC");
    private static final long STUB = constant("ACL_ERROR_COMPILING_STUB_MODE");
    private static final long NO_DEVICE = constant("ACL_ERROR_RT_NO_DEVICE");
    private static final long RESOURCES = constant("ACL_ERROR_RT_RESOURCE_ALLOC_FAIL");
    private static final long SYNC_TIMEOUT = constant("ACL_ERROR_RT_STREAM_SYNC_TIMEOUT");
    private static final long WAIT_TIMEOUT = constant("ACL_ERROR_RT_WAIT_TIMEOUT");
    private static final long DRIVER = constant("ACL_ERROR_RT_DRV_INTERNAL_ERROR");

    private AclStatus() {}

    private static long constant(String name) {
        return CannAbi.table().constant(name);
    }

    static BackendException.Code code(int status) {
        if (status == OUT_OF_MEMORY || status == BAD_ALLOC) {
            return BackendException.Code.OUT_OF_MEMORY;
        }
        if (status == SYNC_TIMEOUT || status == WAIT_TIMEOUT) {
            return BackendException.Code.TIMEOUT;
        }
        if (status == STUB) {
            return BackendException.Code.LIBRARY;
        }
        // The classes of the header: 5xxxxx is internal, of which the driver's own mean that the device does not answer
        // any more.
        return status == DRIVER ? BackendException.Code.DEVICE_LOST : BackendException.Code.NATIVE_FAILURE;
    }

    static String remedy(int status) {
        if (status == OUT_OF_MEMORY || status == BAD_ALLOC) {
            return "use a smaller model, a shorter context or a narrower weight format, or free memory on the device (npu-smi info)";
        }
        if (status == STUB) {
            return "install the Ascend driver: only the toolkit's stub libraries were found";
        }
        if (status == NO_DEVICE) {
            return "check npu-smi info, and ASCEND_RT_VISIBLE_DEVICES in the environment";
        }
        if (status == RESOURCES) {
            return "close other processes on the device: streams or queues are exhausted";
        }
        if (status == DRIVER) {
            return "the device does not answer: see npu-smi info and dmesg, and restart the process";
        }
        return "see the device's log (ASCEND_PROCESS_LOG_PATH, by default ~/ascend/log)";
    }
}
