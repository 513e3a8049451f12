package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.TensorView;
import dev.heng.spi.graph.Node;
import dev.heng.spi.graph.Op;
import dev.heng.spi.graph.Value;
import dev.heng.spi.tensor.DType;
import java.util.List;

/**
 * Add and the RmsNorm of its sum: AddRmsNorm for F32, AddRmsNormCast for BF16.
 *
 * <p>AddRmsNorm in a 16-bit type rounds the normalised row before it is multiplied with the weight (hicann/ops-nn@e5c3fa9327ea norm/add_rms_norm/op_kernel/add_rms_norm.h),
 * which NORM-001 rules out; AddRmsNormCast does so in F16 only (norm/add_rms_norm_cast/op_kernel/add_rms_norm_cast.h). Its first result, the rounded row in F32, is what
 * a router takes.
 */
record AddedNorm(Node add, Node norm) implements Unit {

    @Override
    public List<Node> nodes() {
        return List.of(add, norm);
    }

    @Override
    public List<Value> results() {
        return List.of(add.result(), norm.result());
    }

    @Override
    public String kernel() {
        return isFloat32() ? "aclnnAddRmsNorm" : "aclnnAddRmsNormCast";
    }

    private boolean isFloat32() {
        return add.result().type().dtype() == DType.F32;
    }

    @Override
    public void run(Run run) {
        Op.RmsNorm op = (Op.RmsNorm) norm.op();
        TensorView gamma = run.in(norm, 1);
        TensorView a = run.in(add, 0);
        TensorView b = run.in(add, 1);
        TensorView reciprocal = run.stage().temporary(DType.F32, a.dim(0), 1);
        if (isFloat32()) {
            run.operators()
                    .run(
                            "aclnnAddRmsNorm",
                            a,
                            b,
                            run.basics().in(DType.F32, gamma),
                            op.epsilon(),
                            run.out(norm),
                            reciprocal,
                            run.out(add));
            return;
        }
        TensorView wide = run.stage().temporary(DType.F32, a.dim(0), a.dim(1));
        run.operators()
                .run("aclnnAddRmsNormCast", a, b, gamma, op.epsilon(), wide, run.out(norm), reciprocal, run.out(add));
        run.widened(norm.result(), wide);
    }
}
