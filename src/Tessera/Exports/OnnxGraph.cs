using System.Runtime.InteropServices;
using Google.Protobuf;
using Onnx;
using static Onnx.TensorProto.Types;

namespace Tessera.Exports;

/// <summary>An ONNX graph that is being built: operators whose values are known by name, and the constants that they take.</summary>
/// <remarks>A value is named after the part of the model that makes it, so that a viewer shows the model as its state dict has it.</remarks>
internal sealed class OnnxGraph(string name)
{
    /// <summary>The version of the operators: the first with LayerNormalization.</summary>
    public const int Opset = 17;

    private const int IrVersion = 8; // of ONNX 1.12, which has opset 17
    private const string Batch = "batch"; // the dimension that is free

    private readonly GraphProto graph = new() { Name = name };
    private readonly HashSet<string> names = [];

    /// <summary>The bytes of all constants.</summary>
    public long ConstantBytes { get; private set; }

    /// <summary>Adds an operator with one output.</summary>
    /// <param name="at">What the value is called; a number is appended where that is taken.</param>
    /// <param name="operation">The operator.</param>
    /// <param name="inputs">Values or constants.</param>
    /// <param name="attributes">Whole numbers, lists of them, or floating point numbers by name.</param>
    /// <returns>The value's name.</returns>
    public string Add(string at, string operation, string[] inputs, params (string Name, object Value)[] attributes) =>
        AddSeveral(at, operation, inputs, 1, attributes)[0];

    /// <summary>Adds an operator with several outputs.</summary>
    public string[] AddSeveral(string at, string operation, string[] inputs, int outputs, params (string Name, object Value)[] attributes)
    {
        string[] values = [.. Enumerable.Range(0, outputs).Select(_ => Free(at))];
        var node = new NodeProto { OpType = operation, Name = $"{values[0]}/{operation}" };
        node.Input.Add(inputs);
        node.Output.Add(values);
        foreach (var (attribute, value) in attributes) node.Attribute.Add(Attribute(attribute, value));
        graph.Node.Add(node);
        return values;
    }

    /// <summary>An input of the graph, the batch's size first.</summary>
    /// <param name="called">Its name.</param>
    /// <param name="type">Of its elements.</param>
    /// <param name="dimensions">After the batch: numbers, or names where any size will do.</param>
    public string Input(string called, DataType type, params object[] dimensions)
    {
        graph.Input.Add(Described(Free(called), type, dimensions));
        return called;
    }

    /// <summary>Makes a value an output of the graph.</summary>
    /// <param name="called">Its name.</param>
    /// <param name="value">Where it comes from.</param>
    /// <param name="dimensions">As for <see cref="Input"/>.</param>
    public void Output(string called, string value, params object[] dimensions)
    {
        Add(called, "Identity", [value]);
        graph.Output.Add(Described(called, DataType.Float, dimensions));
    }

    /// <summary>A constant of fp32 numbers.</summary>
    public string Floats(string at, ReadOnlySpan<float> values, params long[] shape) => Constant(at, DataType.Float, MemoryMarshal.AsBytes(values), shape);

    /// <summary>A constant of fp16 numbers.</summary>
    public string Halves(string at, ReadOnlySpan<Half> values, params long[] shape) => Constant(at, DataType.Float16, MemoryMarshal.AsBytes(values), shape);

    /// <summary>A constant of int8 numbers.</summary>
    public string Bytes(string at, ReadOnlySpan<sbyte> values, params long[] shape) => Constant(at, DataType.Int8, MemoryMarshal.AsBytes(values), shape);

    /// <summary>A list of one number that operators share.</summary>
    public string Number(float value) => Shared($"number.{value:R}", at => Floats(at, [value], 1));

    /// <summary>The same without a dimension.</summary>
    public string Scalar(float value) => Shared($"scalar.{value:R}", at => Constant(at, DataType.Float, MemoryMarshal.AsBytes([value]), []));

    /// <summary>A whole number without a dimension.</summary>
    public string Whole(long value) => Shared($"whole.{value}", at => Constant(at, DataType.Int64, MemoryMarshal.AsBytes([value]), []));

    /// <summary>A list of whole numbers that operators share: a shape, or axes.</summary>
    public string Longs(params long[] values) =>
        Shared($"longs.{string.Join('.', values)}", at => Constant(at, DataType.Int64, MemoryMarshal.AsBytes<long>(values), [values.Length]));

    /// <summary>The whole model.</summary>
    /// <param name="version">Of Tessera.</param>
    /// <param name="words">What the model is, for people.</param>
    /// <param name="metadata">By key.</param>
    public ModelProto Model(string version, string words, params (string Key, string Value)[] metadata)
    {
        var model = new ModelProto { IrVersion = IrVersion, ProducerName = "Tessera", ProducerVersion = version, DocString = words, Graph = graph };
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = Opset });
        foreach (var (key, value) in metadata) model.MetadataProps.Add(new StringStringEntryProto { Key = key, Value = value });
        return model;
    }

    private string Shared(string at, Func<string, string> make) => names.Contains(at) ? at : make(at);

    private string Free(string at)
    {
        var free = at;
        for (var number = 2; !names.Add(free); number++) free = $"{at}.{number}";
        return free;
    }

    private string Constant(string at, DataType type, ReadOnlySpan<byte> bytes, long[] shape)
    {
        var tensor = new TensorProto { Name = Free(at), DataType = (int)type, RawData = ByteString.CopyFrom(bytes) };
        tensor.Dims.Add(shape);
        graph.Initializer.Add(tensor);
        ConstantBytes += bytes.Length;
        return tensor.Name;
    }

    private static ValueInfoProto Described(string called, DataType type, object[] dimensions)
    {
        var shape = new TensorShapeProto();
        shape.Dim.Add(new TensorShapeProto.Types.Dimension { DimParam = Batch });
        foreach (var dimension in dimensions)
        {
            shape.Dim.Add(dimension is string free
                ? new TensorShapeProto.Types.Dimension { DimParam = free }
                : new TensorShapeProto.Types.Dimension { DimValue = (int)dimension });
        }
        return new ValueInfoProto
        {
            Name = called,
            Type = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = (int)type, Shape = shape } },
        };
    }

    private static AttributeProto Attribute(string called, object value)
    {
        var attribute = new AttributeProto { Name = called };
        switch (value)
        {
            case int number:
                (attribute.Type, attribute.I) = (AttributeProto.Types.AttributeType.Int, number);
                break;
            case float number:
                (attribute.Type, attribute.F) = (AttributeProto.Types.AttributeType.Float, number);
                break;
            case long[] numbers:
                attribute.Type = AttributeProto.Types.AttributeType.Ints;
                attribute.Ints.Add(numbers);
                break;
            default:
                throw new ArgumentException($"The attribute {called} is of a type that is not written: {value.GetType()}.", nameof(value));
        }
        return attribute;
    }
}
