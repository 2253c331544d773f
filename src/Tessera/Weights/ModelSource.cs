using Tessera.Models;
using Tessera.Weights.Layouts;
using static TorchSharp.torch;

namespace Tessera.Weights;

/// <summary>A model's file, whoever wrote it: what it describes, and its tensors under our names.</summary>
internal abstract class ModelSource(string file) : IDisposable
{
    private const int MostMadePositions = 1 << 24; // 64 MB, whatever the file holds: 296 × 296 places of 192 values

    /// <summary>The file.</summary>
    public string File { get; } = file;

    public abstract ModelDescription Description { get; }

    /// <summary>What was found out about another project's file; null: it is Tessera's.</summary>
    public virtual ForeignModel? Origin => null;

    /// <summary>The model's tensors: our names, their types in the file, and how many values each has.</summary>
    public abstract IEnumerable<(string Name, SafetensorsType Type, long Values)> Tensors { get; }

    /// <summary>Values that the file's bytes hold.</summary>
    public abstract long Held { get; }

    /// <summary>Makes sure that a tensor can be read into one that exists.</summary>
    /// <exception cref="ModelFileException">It is not there, or of another shape or type.</exception>
    public abstract void RequireFit(string name, Tensor target);

    /// <summary>Reads a tensor into one that exists, on any device, as that one's type.</summary>
    /// <exception cref="ModelFileException">It is not there, or of another shape or type.</exception>
    public abstract void Read(string name, Tensor target);

    /// <summary>A tensor's values in fp32, row-major, without libtorch.</summary>
    /// <exception cref="ModelFileException">It is not there, or of another shape or type.</exception>
    public float[] Values(string name, params long[] shape)
    {
        RequireShape(name, shape);
        return Values(name);
    }

    /// <summary>Makes sure that a tensor is there, and of a shape.</summary>
    /// <exception cref="ModelFileException">It is not there, or of another shape.</exception>
    public void RequireShape(string name, ReadOnlySpan<long> shape)
    {
        if (Shape(name) is not { } own) throw new ModelFileException($"{File} lacks the tensor {name}, which its model needs.");
        if (!own.AsSpan().SequenceEqual(shape))
            throw new ModelFileException($"{File}: the tensor {name} is {Quoted.Shape(own)}, and its model needs {Quoted.Shape(shape.ToArray())}.");
    }

    /// <summary>Holds the shapes that a description implies against the file's, up to the first that differs; positions that are made, not held, are left out.</summary>
    /// <exception cref="ModelFileException">One is not there, or of another shape.</exception>
    public void RequireShapes(IEnumerable<(string Name, long[] Shape)> tensors)
    {
        if (Origin is not null) return; // another project's: its description was made from its shapes, and each held against them
        foreach (var (name, shape) in tensors)
        {
            if (Description.Encoder.Positions == PositionEmbedding.Learned || !ModelTensors.IsPositions(name)) RequireShape(name, shape);
        }
    }

    /// <summary>The same of a tensor that is there.</summary>
    protected abstract float[] Values(string name);

    /// <summary>A tensor's shape in the file; null: it is not there.</summary>
    public abstract long[]? Shape(string name);

    public abstract void Dispose();

    /// <summary>Opens a model's file.</summary>
    /// <param name="file">Tessera's, or one of a layout that is known.</param>
    /// <param name="options">Of another project's.</param>
    /// <exception cref="ModelFileException">It holds no model that is known, or does not say what no shape tells.</exception>
    /// <exception cref="SafetensorsException">It is damaged, or neither safetensors nor PyTorch's.</exception>
    /// <exception cref="PyTorch.PyTorchFileException">It is PyTorch's, and damaged or not weights alone.</exception>
    public static ModelSource Open(string file, ImportOptions options)
    {
        var tensors = TensorSource.Open(file);
        try
        {
            ModelSource source = tensors.IsOwn ? new Own(tensors, ModelDescription.Parse(file, tensors.Said!)) : new Foreign(tensors, ForeignModel.Read(tensors, options));
            source.RequireClaimedGrid();
            source.RequireClaimedEncoder();
            return source;
        }
        catch
        {
            tensors.Dispose();
            throw;
        }
    }

    /// <summary>Refuses a grid whose fixed positions, which are made and not held, would take far more memory than the model.</summary>
    private void RequireClaimedGrid()
    {
        var encoder = Description.Encoder;
        if (encoder.Positions != PositionEmbedding.SinCos) return; // learned ones are held, and counted with the parameters
        var decoderWidth = Description.Reconstruction is { Placement: MaskPlacement.Decoder } head ? head.DecoderWidth : 0;
        var made = (Int128)encoder.PatchCount * ((Int128)encoder.Width + decoderWidth);
        if (made > Int128.Max(MostMadePositions, Held))
            throw new ModelFileException($"{File} claims a grid of {encoder.GridHeight} × {encoder.GridWidth} patches, whose positions are {made:n0} values, and holds {Held:n0}: its metadata is wrong.");
    }

    /// <summary>Refuses an encoder that the file does not hold, before anything is built, or memory taken, on its description's word.</summary>
    private void RequireClaimedEncoder()
    {
        var encoder = Description.Encoder;
        var parameters = TransformerCost.Parameters(encoder);
        if (Origin is null && parameters > 2 * (Int128)Held) // for which one tensor of another shape would be the lesser half of what is wrong
            throw new ModelFileException($"{File} claims an encoder of {parameters:n0} parameters and holds {Held:n0}: it is not whole, or its metadata is wrong.");
        RequireShapes(ModelTensors.OfEncoder(encoder));
    }

    /// <summary>Of our own names, perhaps among a checkpoint's.</summary>
    private sealed class Own(TensorSource tensors, ModelDescription description) : ModelSource(tensors.File)
    {
        private readonly string prefix = ModelFile.Prefix(tensors.Tensors.Keys);

        public override ModelDescription Description => description;

        public override long Held => tensors.Held;

        public override IEnumerable<(string Name, SafetensorsType Type, long Values)> Tensors => tensors.Tensors.Values
            .Where(t => t.Name.StartsWith(prefix, StringComparison.Ordinal) && ModelFile.Keeps(description, t.Name[prefix.Length..]))
            .Select(t => (t.Name[prefix.Length..], t.Type, t.Values));

        public override long[]? Shape(string name) => tensors.Tensors.GetValueOrDefault(prefix + name)?.Shape;

        public override void RequireFit(string name, Tensor target) => ModelFile.RequireFit(File, tensors.Tensors.GetValueOrDefault(prefix + name), prefix + name, target);

        public override void Read(string name, Tensor target)
        {
            RequireFit(name, target);
            ModelFile.Fill(target, tensors.Tensors[prefix + name], destination => tensors.Read(prefix + name, destination));
        }

        protected override float[] Values(string name) => tensors.Values(prefix + name);

        public override void Dispose() => tensors.Dispose();
    }

    private sealed class Foreign(TensorSource tensors, ForeignModel model) : ModelSource(tensors.File)
    {
        public override ForeignModel Origin => model;

        public override ModelDescription Description => model.Description;

        public override long Held => tensors.Held;

        public override IEnumerable<(string Name, SafetensorsType Type, long Values)> Tensors => model.Shapes
            .Where(s => Description.Encoder.Positions == PositionEmbedding.Learned || !ModelTensors.IsPositions(s.Key))
            .Select(s => (s.Key, model.TypeOf(s.Key), s.Value.Aggregate(1L, (p, side) => p * side)));

        public override long[]? Shape(string name) => model.Shapes.GetValueOrDefault(name);

        public override void RequireFit(string name, Tensor target) => RequireShape(name, target.shape);

        public override void Read(string name, Tensor target)
        {
            RequireFit(name, target);
            ModelFile.Fill(target, model.Values(name));
        }

        protected override float[] Values(string name) => model.Values(name);

        public override void Dispose() => tensors.Dispose();
    }
}
