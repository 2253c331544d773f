using System.Diagnostics.CodeAnalysis;
using System.Numerics.Tensors;

namespace Tessera.Exports;

/// <summary>How the matrices of an exported model are stored. It computes in fp32 whatever they are.</summary>
public enum WeightFormat
{
    /// <summary>As they are.</summary>
    Fp32,

    /// <summary>In half the bytes, each to the nearest fp16 number.</summary>
    Fp16,

    /// <summary>In a quarter of the bytes: 8 bits a weight, and a scale for each output of a layer.</summary>
    [SuppressMessage("Naming", "CA1720", Justification = "It is what the format is called everywhere.")]
    Int8,
}

/// <summary>A matrix as it is stored, and the values that it then has.</summary>
internal static class StoredMatrix
{
    /// <summary>The nearest fp16 numbers.</summary>
    /// <exception cref="OverflowException">One would become infinite.</exception>
    public static Half[] Halves(string name, ReadOnlySpan<float> values)
    {
        var halves = new Half[values.Length];
        TensorPrimitives.ConvertToHalf(values, halves);
        var lost = Array.FindIndex(halves, Half.IsInfinity);
        return lost < 0 ? halves
            : throw new OverflowException(FormattableString.Invariant($"the tensor {name} holds {values[lost]:g6}, which would become infinite in fp16"));
    }

    /// <summary>Whole numbers from -127 to 127, and what each row of them is multiplied by.</summary>
    /// <param name="values">(rows, columns)</param>
    /// <param name="rows">Outputs of the layer.</param>
    public static (sbyte[] Numbers, float[] Scales) Quantized(ReadOnlySpan<float> values, int rows)
    {
        var (numbers, scales, columns) = (new sbyte[values.Length], new float[rows], values.Length / rows);
        for (var row = 0; row < rows; row++)
        {
            var own = values.Slice(row * columns, columns);
            var largest = TensorPrimitives.MaxMagnitude(own);
            scales[row] = largest == 0 ? 1 : Math.Abs(largest) / sbyte.MaxValue;
            for (var i = 0; i < columns; i++) numbers[row * columns + i] = (sbyte)Math.Clamp(MathF.Round(own[i] / scales[row]), -sbyte.MaxValue, sbyte.MaxValue);
        }
        return (numbers, scales);
    }

    /// <summary>What a matrix's values become by being stored.</summary>
    /// <param name="name">Its name, for errors.</param>
    /// <param name="values">(rows, …); changed in place.</param>
    /// <param name="rows">Outputs of the layer.</param>
    /// <param name="format">How it is stored.</param>
    /// <exception cref="OverflowException">A value does not fit the format.</exception>
    public static void Round(string name, Span<float> values, int rows, WeightFormat format)
    {
        if (format == WeightFormat.Fp16) TensorPrimitives.ConvertToSingle(Halves(name, values), values);
        if (format != WeightFormat.Int8) return;
        var (numbers, scales) = Quantized(values, rows);
        for (var i = 0; i < values.Length; i++) values[i] = numbers[i] * scales[i / (values.Length / rows)];
    }
}
