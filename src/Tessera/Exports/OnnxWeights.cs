using Tessera.Weights;
using static Onnx.TensorProto.Types;

namespace Tessera.Exports;

/// <summary>A model's tensors, read from its file without libtorch, on their way into a graph.</summary>
/// <param name="source">The file.</param>
/// <param name="graph">Where they go.</param>
/// <param name="format">How matrices are stored; all else is fp32.</param>
internal sealed class OnnxWeights(ModelSource source, OnnxGraph graph, WeightFormat format)
{
    /// <summary>A tensor's values in fp32.</summary>
    /// <param name="name">Its name in the model.</param>
    /// <param name="shape">The shape that the model needs.</param>
    /// <exception cref="ModelFileException">The file lacks it, or has another.</exception>
    public float[] Read(string name, params long[] shape) => source.Values(name, shape);

    /// <summary>Puts a tensor into the graph, as fp32.</summary>
    public string Put(string name, params long[] shape) => graph.Floats(name, Read(name, shape), shape);

    /// <summary>Puts a layer's weight into the graph, (to, from) in the file.</summary>
    /// <returns>(from, to), fp32: what is stored otherwise is cast in the graph, which a runtime does once as it loads</returns>
    public string Matrix(string name, int from, int to) => Matrix(name, Read(name, to, from), from, to);

    /// <inheritdoc cref="Matrix(string, int, int)"/>
    public string Matrix(string name, float[] values, int from, int to)
    {
        switch (format)
        {
            case WeightFormat.Fp16:
                return Cast(graph.Halves(name + ".fp16", Transposed(StoredMatrix.Halves(name, values), to), from, to), name);
            case WeightFormat.Int8:
                var (numbers, scales) = StoredMatrix.Quantized(values, to);
                var whole = Cast(graph.Bytes(name + ".int8", Transposed(numbers, to), from, to), name + ".whole");
                return graph.Add(name, "Mul", [whole, graph.Floats(name + ".scale", scales, to)]);
            default:
                return graph.Floats(name, Transposed(values, to), from, to);
        }
    }

    private string Cast(string constant, string name) => graph.Add(name, "Cast", [constant], ("to", (int)DataType.Float));

    private static TNumber[] Transposed<TNumber>(TNumber[] values, int rows)
    {
        var (turned, columns) = (new TNumber[values.Length], values.Length / rows);
        for (var row = 0; row < rows; row++)
        {
            for (var column = 0; column < columns; column++) turned[column * rows + row] = values[row * columns + column];
        }
        return turned;
    }
}
