namespace Tessera.Training;

/// <summary>The number format of a training step's matrix products and activations. Weights and their updates are always fp32.</summary>
public enum Precision
{
    /// <summary>bf16 on a GPU, and on a CPU where a short measurement finds its matrix products clearly faster; else fp32.</summary>
    Auto,

    /// <summary>32 bits; on a GPU matrix products may round their factors to TF32's 10 bits.</summary>
    Fp32,

    /// <summary>32 bits throughout, without TF32.</summary>
    Fp32Strict,

    /// <summary>16 bits with fp32's range; loss, the norms' statistics and softmax are computed in fp32.</summary>
    Bf16,
}
